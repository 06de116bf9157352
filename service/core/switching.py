"""Which monitors projects' new runs begin with: activated, set as a shadow, rolled back, removed, and none of it before
every live worker has the monitor ready.

A run keeps the monitor that its first stored step found (`scripts.APPEND`), so a switch touches no run that has begun.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from service.core.catalogue import MonitorCatalogue
from service.core.projects import LOOK_EVERY_S, MonitorChoice, ProjectBook, ProjectSettings
from service.errors import MonitorInUse, MonitorNotReady, MonitorRefused, NotFound
from service.ports import MonitorRegister
from service.records import Registration, WorkerReport

log = logging.getLogger(__name__)

READY_WITHIN_S = 60.0
# Workers keep what somebody asked for so long, though nothing has chosen it yet.
WANTED_S = 600.0
ASK_EVERY_S = 0.2
# After so long every API process has read the book again, and begins no run with what is chosen no more.
BOOKS_READ_S = 2.5 * LOOK_EVERY_S
SCORED_WITHIN_S = 10.0
KEPT_CHOICES = 20
MOST_AGENTS = 200

Reports = Callable[[], Awaitable[Sequence[WorkerReport]]]


class MonitorSwitch:
    """Changes what projects have chosen. `gone_ms`: a worker silent for so long counts as gone."""

    def __init__(
        self,
        register: MonitorRegister,
        book: ProjectBook,
        catalogue: MonitorCatalogue,
        reports: Reports,
        gone_ms: int,
        *,
        ready_within_s: float = READY_WITHIN_S,
        books_read_s: float = BOOKS_READ_S,
    ) -> None:
        self._register = register
        self._book = book
        self._catalogue = catalogue
        self._reports = reports
        self._gone_ms = gone_ms
        self._ready_within_s = ready_within_s
        self._books_read_s = books_read_s

    async def alive(self) -> list[WorkerReport]:
        """The last reports of the workers that are alive. Raises TransientError."""
        since_ms = _now_ms() - self._gone_ms
        return [report for report in await self._reports() if report.seen_ms >= since_ms]

    async def ask_for(self, monitor_id: str) -> int:
        """Have every worker load a monitor, or try again; until when they keep it (ms)."""
        until_ms = _now_ms() + int(WANTED_S * 1000)
        await self._register.want(monitor_id, until_ms)
        return until_ms

    async def activate(self, project: str, monitor_id: str, agent: str = "") -> MonitorChoice:
        """New runs of the project, or of this agent alone, begin with the monitor. Raises NotFound, MonitorRefused,
        MonitorNotReady, TransientError."""
        await self._make_ready(project, monitor_id)

        def choose(chosen: MonitorChoice) -> MonitorChoice:
            if agent:
                if len(chosen.agents) >= MOST_AGENTS and agent not in chosen.agents:
                    raise MonitorInUse(f"{MOST_AGENTS} agents have a monitor of their own, and no more may")
                return chosen.model_copy(update={"agents": {**chosen.agents, agent: monitor_id}})
            if (chosen.active or self._catalogue.active_id) == monitor_id:
                return chosen.model_copy(update={"active": monitor_id})
            history = (chosen.active, *chosen.history)[:KEPT_CHOICES]
            return chosen.model_copy(update={"active": monitor_id, "history": history})

        return await self._choose(project, monitor_id, choose)

    async def set_shadow(self, project: str, monitor_id: str) -> MonitorChoice:
        """The monitor scores the project's new runs beside theirs. Raises as `activate`, and MonitorInUse where every
        run has it as its own."""
        choice = self._catalogue.choose(project)
        if choice.monitor_id == monitor_id and not set(choice.by_agent.values()) - {monitor_id}:
            raise MonitorInUse(f"monitor {monitor_id} is active: a shadow is another one, beside it")
        await self._make_ready(project, monitor_id)
        return await self._choose(project, monitor_id, lambda chosen: chosen.model_copy(update={"shadow": monitor_id}))

    async def drop_shadow(self, project: str, monitor_id: str) -> MonitorChoice:
        """New runs of the project have no shadow; runs that have one keep it. Raises NotFound where this one is not the
        project's shadow."""

        def choose(chosen: MonitorChoice) -> MonitorChoice:
            if chosen.shadow != monitor_id:
                raise NotFound(f"monitor {monitor_id} is no shadow in this project")
            return chosen.model_copy(update={"shadow": ""})

        return await self._change(project, choose)

    async def roll_back(self, project: str, agent: str = "") -> MonitorChoice:
        """New runs begin with what was active before; with an agent, its runs go with the project's again. Raises
        MonitorInUse where there is nothing to go back to, and as `activate`."""
        before = self._book.settings(project).monitors
        if agent:
            if agent not in before.agents:
                raise MonitorInUse(f"agent {agent!r} has no monitor of its own: its runs go with the project's")
            return await self._change(project, lambda chosen: _without_agent(chosen, agent))
        target = _target(before)
        monitor_id = target or self._catalogue.active_id
        if not monitor_id:
            raise MonitorInUse("before this monitor there was none: activate another")
        await self._make_ready(project, monitor_id)

        def choose(chosen: MonitorChoice) -> MonitorChoice:
            if _target(chosen) != target:
                raise MonitorInUse("somebody else has switched monitors meanwhile: look again (GET /v1/monitors)")
            return chosen.model_copy(update={"active": target, "history": chosen.history[1:]})

        return await self._choose(project, monitor_id, choose)

    async def remove(self, monitor_id: str, remove_folder: Callable[[str], object]) -> None:
        """Register a monitor no more, and delete its bundle from this machine's folder. Takes some seconds. Raises
        NotFound, MonitorInUse where anything rests on it, TransientError."""
        registration = await self._register.find(monitor_id)
        if registration is None:
            raise NotFound(f"there is no monitor {monitor_id}")
        await self._book.refresh()
        self._check_unchosen(monitor_id)
        # From here on nobody can activate it: whoever has just done so is seen below, or sees that it is gone.
        await self._register.drop(monitor_id)
        try:
            await asyncio.sleep(self._books_read_s)
            await self._book.refresh()
            self._check_unchosen(monitor_id)
            await self._check_unused(monitor_id)
        except BaseException:
            await self._register.put(registration)
            raise
        for name in self._book.names():
            if monitor_id in self._book.settings(name).monitors.history:
                await self._change(name, lambda chosen: _forgetting(chosen, monitor_id))
        await asyncio.to_thread(remove_folder, monitor_id)

    def _check_unchosen(self, monitor_id: str) -> None:
        if monitor_id == self._catalogue.active_id:
            raise MonitorInUse(f"the service was started with monitor {monitor_id}: start it with another first")
        users = [name for name in self._book.names() if monitor_id in self._book.settings(name).monitors.ids()]
        if users:
            others = f" and {len(users) - 5} more" if len(users) > 5 else ""
            raise MonitorInUse(
                f"monitor {monitor_id} is active, or a shadow, in project {', '.join(users[:5])}{others}: "
                "activate another there first"
            )

    async def _check_unused(self, monitor_id: str) -> None:
        live = await self._register.count_live(monitor_id)
        if live:
            raise MonitorInUse(f"{live} live runs are on monitor {monitor_id}: remove it once they are over")
        # Runs that are over may have steps that wait to be scored.
        newest = await self._register.newest_steps()
        deadline = time.monotonic() + SCORED_WITHIN_S
        while not await self._register.are_scored(newest):
            if time.monotonic() > deadline:
                raise MonitorInUse(f"steps wait to be scored that may need monitor {monitor_id}: try again later")
            await asyncio.sleep(ASK_EVERY_S)

    async def _make_ready(self, project: str, monitor_id: str) -> None:
        """Wait until every live worker has the monitor loaded, checked and run once."""
        await self._check_registered(project, monitor_id)
        until_ms = await self.ask_for(monitor_id)
        deadline = time.monotonic() + self._ready_within_s
        while True:
            alive = await self.alive()
            missing = [report.worker for report in alive if monitor_id not in report.monitors]
            if alive and not missing:
                return
            for report in alive:
                if report.worker in missing and report.tried.get(monitor_id, 0) >= until_ms:
                    raise MonitorRefused(monitor_id, report.worker, report.refused.get(monitor_id, "it was unloaded"))
            if time.monotonic() > deadline:
                who = f"worker {', '.join(missing)} has not loaded it" if alive else "no worker is alive"
                raise MonitorNotReady(
                    f"monitor {monitor_id} is not ready after {self._ready_within_s:.0f} s ({who}), and nothing was "
                    "changed: try again",
                    retry_after_s=10,
                )
            await asyncio.sleep(ASK_EVERY_S)

    async def _choose(
        self, project: str, monitor_id: str, choose: Callable[[MonitorChoice], MonitorChoice]
    ) -> MonitorChoice:
        """Change the choice, unless the monitor was removed at the same moment: then take it back."""
        before = self._book.settings(project).monitors
        chosen = await self._change(project, choose)
        try:
            await self._check_registered(project, monitor_id)
        except NotFound:
            await self._change(project, lambda _: before)
            raise
        return chosen

    async def _change(self, project: str, choose: Callable[[MonitorChoice], MonitorChoice]) -> MonitorChoice:
        def change(settings: ProjectSettings) -> ProjectSettings:
            return settings.model_copy(update={"monitors": choose(settings.monitors)})

        return (await self._book.change(project, change)).monitors

    async def _check_registered(self, project: str, monitor_id: str) -> None:
        registration = await self._register.find(monitor_id)
        if not may_use(registration, project):
            raise NotFound(f"there is no monitor {monitor_id}: register it first (forewarn monitors add)")


def may_use(registration: Registration | None, project: str) -> bool:
    """Whether a monitor is registered for a project."""
    return registration is not None and registration.project in ("", project)


def standing_of(monitor_id: str, alive: Sequence[WorkerReport]) -> tuple[str, str]:
    """How far workers are with a monitor, and why where one refuses it: `ready` in all of them, `refused`, `loading`
    (some have it), or `registered` (none needs it now)."""
    for report in alive:
        if monitor_id in report.refused:
            return "refused", report.refused[monitor_id]
    having = [monitor_id in report.monitors for report in alive]
    if not any(having):
        return "registered", ""
    return ("ready" if all(having) else "loading"), ""


def _target(chosen: MonitorChoice) -> str:
    """Where a roll-back goes; "" is the default. Raises MonitorInUse where nothing was switched."""
    if not chosen.history:
        raise MonitorInUse("no monitor was active before: there is nothing to go back to")
    return chosen.history[0]


def _without_agent(chosen: MonitorChoice, agent: str) -> MonitorChoice:
    return chosen.model_copy(update={"agents": {name: one for name, one in chosen.agents.items() if name != agent}})


def _forgetting(chosen: MonitorChoice, monitor_id: str) -> MonitorChoice:
    return chosen.model_copy(update={"history": tuple(one for one in chosen.history if one != monitor_id)})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
