"""What a project may set for itself, and the book in which every process looks it up without waiting.

Settings are kept in Redis, so that all processes follow one book; each process has a copy that is at most
`LOOK_EVERY_S` old while Redis answers. Each section belongs to one room of the service, which says what its fields do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from service.core.patterns import PatternRefused, check_pattern
from service.errors import NameRefused, TransientError
from service.ports import ProjectStore
from service.records import DEFAULT_PROJECT, Shape

log = logging.getLogger(__name__)

FORMAT = 1
LOOK_EVERY_S = 1.0
PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""No colon and no brace: a project is part of Redis keys, `project:run_id`."""


def _is_number(raw: object) -> object:
    """JSON's `true` and `"5"` are no numbers, though pydantic would make some of them: a slip must not set a limit."""
    if isinstance(raw, bool | str | bytes):
        raise ValueError("a number is needed")
    return raw


Whole = Annotated[int, BeforeValidator(_is_number)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RateLimits(_Section):
    """How much a project may send: token buckets, None for no limit."""

    steps_per_s: float | None = Field(None, strict=True, gt=0, le=1e6, description="Steps a second, over time.")
    burst_steps: Whole | None = Field(
        None, ge=1, le=10_000_000, description="Steps that may come at once; null: ten seconds' worth."
    )


class RedactionRule(_Section):
    """A pattern of the project's own whose matches are masked."""

    name: str = Field(
        min_length=1, max_length=50, pattern=r"^[a-z0-9_-]+$", description="Stands for what was masked; one rule each."
    )
    pattern: str = Field(min_length=1, max_length=1000, description="A regular expression (RE2).")


class Privacy(_Section):
    """What is kept of steps, and for how long. None: as the service's own settings say."""

    content: Literal["keep", "none"] | None = Field(
        None, description="`none`: raw steps are dropped once they are scored; scores and states stay."
    )
    redact: tuple[Shape, ...] | None = Field(None, description="What is masked in all that comes in.")
    rules: tuple[RedactionRule, ...] = Field((), max_length=50, description="Patterns of its own, masked too.")

    @field_validator("rules")
    @classmethod
    def _can_be_used(cls, rules: tuple[RedactionRule, ...]) -> tuple[RedactionRule, ...]:
        for rule in rules:
            try:
                check_pattern(rule.pattern)
            except PatternRefused as error:
                raise ValueError(f"rule {rule.name} has no pattern that RE2 takes: {error}") from None
        if len({rule.name for rule in rules}) < len(rules):
            raise ValueError("two rules have the same name")
        return rules

    retention_days: float | None = Field(
        None, strict=True, gt=0, le=36_500, description="Runs idle for so many days are deleted."
    )


class MonitorChoice(_Section):
    """Which monitor a new run begins with. "": the one that the service was started with."""

    active: str = Field("", max_length=200, description="Empty: the monitor that the service was started with.")
    agents: dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=200)]] = Field(
        default_factory=dict,
        max_length=200,
        description="By the agent named before the run's first step; goes before `active`.",
    )
    shadow: str = Field(
        "", max_length=200, description="Scores new runs beside theirs, for comparison, without alerting; empty: none."
    )
    history: tuple[str, ...] = Field(
        (), max_length=20, description="What was active before, the latest first: where a roll-back goes."
    )

    def ids(self) -> set[str]:
        """All monitors that are chosen for something; "" is none."""
        return {self.active, self.shadow, *self.agents.values()} - {""}


class Feedback(_Section):
    """How outcomes are used."""

    control_ratio: float = Field(
        0.0,
        strict=True,
        ge=0,
        le=1,
        description="Share of runs whose alerts are recorded and neither delivered nor shown, for an estimate that no "
        "warning has moved.",
    )


class ProjectSettings(_Section):
    """All that a project may set."""

    limits: RateLimits = Field(RateLimits(), description="How much it may send.")
    privacy: Privacy = Field(Privacy(), description="What is masked and kept.")
    monitors: MonitorChoice = Field(MonitorChoice(), description="What its new runs begin with.")
    feedback: Feedback = Field(Feedback(), description="How outcomes are used.")


class ProjectBook:
    """Every project's settings, as last read."""

    def __init__(self, store: ProjectStore) -> None:
        self._store = store
        self._known: Mapping[str, ProjectSettings] = {}
        self._raw: Mapping[str, bytes] = {}

    def settings(self, project: str) -> ProjectSettings:
        """A project's settings; the defaults for one that has set nothing. Never waits."""
        return self._known.get(project, _DEFAULTS)

    def names(self) -> list[str]:
        """All projects that exist, `default` first."""
        return [DEFAULT_PROJECT, *sorted(self._known.keys() - {DEFAULT_PROJECT})]

    def exists(self, project: str) -> bool:
        """True for `default`, and for each project that was created."""
        return project == DEFAULT_PROJECT or project in self._known

    async def refresh(self) -> None:
        """Read the book anew. Raises TransientError."""
        raw = await self._store.read_projects()
        if raw != self._raw:
            self._known = {
                name: was if (was := self._known.get(name)) and self._raw.get(name) == value else _parse(name, value)
                for name, value in raw.items()
            }
            self._raw = raw

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the copy fresh until `stop`."""
        while not stop.is_set():
            try:
                await self.refresh()
            except TransientError as error:
                log.warning("projects' settings stay as they were read before: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)

    async def change(self, project: str, change: Callable[[ProjectSettings], ProjectSettings]) -> ProjectSettings:
        """Write what `change` makes of the project's settings, and give it; a project that is new begins with the
        defaults. Two who change at once both count: `change` may run again on what the other wrote. Raises NameRefused,
        TransientError, and what `change` raises."""
        check_project(project)
        while True:
            raw = (await self._store.read_projects()).get(project, b"")
            new = change(_parse(project, raw) if raw else _DEFAULTS)
            if await self._store.swap_project(project, raw, new.model_dump_json().encode()):
                await self.refresh()
                return new


def check_project(name: str) -> None:
    """Raises NameRefused for a name that no project may have."""
    if not PROJECT_NAME.fullmatch(name):
        raise NameRefused(
            "project", "a project's name has 1 to 63 small letters, digits, _ and -, a letter or digit first"
        )


_DEFAULTS = ProjectSettings()


def _parse(project: str, raw_settings: bytes) -> ProjectSettings:
    try:
        return ProjectSettings.model_validate_json(raw_settings)
    except ValueError:
        # Written by another version, or by hand: what it meant is unknown, so nothing of it may be half followed.
        log.exception("the settings of project %s cannot be read: nothing of its content is kept meanwhile", project)
        return ProjectSettings(privacy=Privacy(content="none"))
