"""Has a worker load what will be needed before it is: the monitors that projects have chosen, and those that somebody
asks for before an activation. What cannot be loaded is reported with the reason."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from service.core.projects import ProjectBook
from service.errors import TransientError
from service.ports import MonitorRegister
from service.worker.shelf import LoadedMonitors

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
# A chosen monitor that could not be loaded may be there later: somebody copies it to this machine.
TRY_AGAIN_S = 30.0


class Stocking:
    """Keeps the shelf stocked. `on_change` is called when more is loaded, or refused, than before."""

    def __init__(
        self, shelf: LoadedMonitors, register: MonitorRegister, book: ProjectBook, on_change: Callable[[], None]
    ) -> None:
        self._shelf = shelf
        self._register = register
        self._book = book
        self._on_change = on_change
        self._try_again_at = 0.0
        self.tried: dict[str, int] = {}
        """Monitor → the latest wish (until when, ms) that was answered by loading or refusing it."""

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`, whatever goes wrong."""
        while not stop.is_set():
            try:
                await self.look()
            except TransientError as error:
                log.warning("which monitors are wanted is not known now: %s", error)
            except Exception:
                log.exception("monitors could not be looked after")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)

    async def look(self) -> None:
        """Load what is chosen or asked for. Raises TransientError."""
        wanted = await self._register.wanted(time.time_ns() // 1_000_000)
        chosen = {one for name in self._book.names() for one in self._book.settings(name).monitors.ids()}
        self._shelf.pin(chosen | wanted.keys())
        news = {name: until for name, until in wanted.items() if until > self.tried.get(name, 0)}
        for name in news:
            self._shelf.retry(name)
        if time.monotonic() >= self._try_again_at:
            self._try_again_at = time.monotonic() + TRY_AGAIN_S
            for name in chosen:
                self._shelf.retry(name)
        before = (self._shelf.ids, set(self._shelf.refused))
        # Chosen ones first: runs may need them now.
        for name in (*sorted(chosen), *sorted(wanted.keys() - chosen)):
            await self._shelf.fetch([name])
        self.tried = {name: until for name, until in (self.tried | news).items() if name in wanted}
        if news or before != (self._shelf.ids, set(self._shelf.refused)):
            self._on_change()
