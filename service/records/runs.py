"""Runs as they are known, asked for, described, ended and deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

import orjson

from service.records.refs import RunRef
from service.records.scores import NO_SHADOW, RunSummary, ShadowSummary


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it is known: what callers said of it, and the summary of its scores."""

    ref: RunRef
    created_ms: int
    updated_ms: int
    accepted: int
    """Steps accepted: the position that the next one will get."""
    ended_ms: int | None = None
    success: bool | None = None
    intervened: bool | None = None
    outcome_ms: int | None = None
    """When the outcome that holds was said: the last one that changed anything."""
    expired: bool = False
    """No step has come for so long that the run counts as over; another one brings it back."""
    agent: str = ""
    task: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    monitor_id: str = ""
    summary: RunSummary = field(default_factory=RunSummary)
    acknowledged: bool = False
    """Somebody has taken note of the alert episode that the run is in."""
    shadow_id: str = ""
    """The monitor that scores the run beside its own, if any."""
    shadow: ShadowSummary = NO_SHADOW


@dataclass(frozen=True, slots=True)
class Ending:
    """All that is known of a run, as of its end, and again each time that more is said of it from then on. The one
    with the greatest `entry_id` holds."""

    partition: int
    entry_id: str
    """`<ms since 1970, by the clock of Redis>-<number>`: ascending within a partition, and so within a run."""
    ref: RunRef
    what: str
    """Why it was written: end, outcome, expired, described, or released (a parked step was put back)."""
    created_ms: int
    steps: int
    """Steps accepted so far."""
    ended_ms: int | None = None
    expired: bool = False
    success: bool | None = None
    intervened: bool | None = None
    control: bool | None = False
    """A control run; None where it had no score yet that would have settled it."""
    agent: str = ""
    task: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    monitor_id: str = ""
    moved: tuple[int, int] | None = None
    """Of a released step: the position at which it was parked, and the one that it has now."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What a worker must know of a run to score its next step. `state` is empty for a run without scores."""

    monitor_id: str
    state: bytes
    summary: RunSummary
    group: str = ""
    """The agent that was named before the run's first step."""
    shadow_id: str = ""
    shadow_state: bytes = b""
    shadow: ShadowSummary = NO_SHADOW


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of a run, which it knows by its digest alone. `since_ms`: when the run began, 0 if not known;
    `partition`: of the run, -1 if not known."""

    id: str
    project: str
    digest: str
    asked_ms: int
    since_ms: int
    done_ms: int = 0
    partition: int = -1

    def to_json(self) -> bytes:
        """As it is stored."""
        return orjson.dumps(asdict(self))

    @staticmethod
    def from_json(raw: bytes) -> Deletion:
        """The deletion that was stored."""
        return Deletion(**orjson.loads(raw))

    def at(self, done_ms: int) -> Deletion:
        """The same, done."""
        return replace(self, done_ms=done_ms)


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Times (ms since 1970) before which what a project has is too old: `latest` and `earliest` of all projects'."""

    of: Callable[[str], int]
    latest: int
    earliest: int
    projects: tuple[str, ...] = ()

    @staticmethod
    def same(older_than_ms: int) -> Cutoffs:
        """One for every project."""
        return Cutoffs(lambda _: older_than_ms, older_than_ms, older_than_ms)


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to list: newest first, before `before` (created_ms, name) where given."""

    project: str
    limit: int
    before: tuple[int, str] | None = None
    state: str | None = None
    agent: str | None = None
    monitor: str | None = None
    since_ms: int | None = None
    """Created then or later; `until_ms`: before then."""
    until_ms: int | None = None
    min_risk: float | None = None
    """Scored, and the latest risk at least so high."""


@dataclass(frozen=True, slots=True)
class LiveCounts:
    """How many runs are live, by project; 0 for one that is not named. Counted, or estimated from a sample."""

    by_project: dict[str, int]
    is_exact: bool


@dataclass(frozen=True, slots=True)
class RunDescription:
    """What a caller says of a run at its start; None leaves what was said before."""

    agent: str | None = None
    task: str | None = None
    tags: dict[str, str] | None = None
