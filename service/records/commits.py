"""What a partition's owner writes, and what others hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import orjson

from service.records.alerts import AlertNote
from service.records.refs import RunRef
from service.records.scores import RunSummary, ScoreRecord, ShadowSummary
from service.records.steps import ParkedEntry


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to move a partition's cursor, until somebody else's acquisition raises the fence."""

    partition: int
    fence: int
    cursor: str
    attempts: int
    """How often the partition was acquired at this cursor without a commit since."""
    suspect: str = ""
    """The entry that was being scored alone when an owner died, if any."""
    suspicion: int = 0
    """How many owners in a row died at the suspect."""
    archived: str = "0-0"
    """The last entry that is in the archive."""


@dataclass(frozen=True, slots=True)
class RunCommit:
    """What one batch changes of one run. `scores` are consecutive, the first at `first_position`."""

    ref: RunRef
    state: bytes
    summary: RunSummary
    first_position: int
    scores: tuple[ScoreRecord, ...]
    alerts: tuple[AlertNote, ...] = ()
    shadow_state: bytes = b""
    shadow: ShadowSummary | None = None
    """None where the batch did nothing to the run's shadow."""


class CommitSignal:
    """Says that partitions have committed something, whichever process did; may miss one."""

    __slots__ = ("news", "partitions")

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.partitions: set[int] = set()

    def note(self, partition: int) -> None:
        """This partition has."""
        self.partitions.add(partition)
        self.news.set()

    def take(self) -> set[int]:
        """The partitions since last asked."""
        taken, self.partitions = self.partitions, set()
        self.news.clear()
        return taken


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """What a commit told displays: scores by run and position, positions ascending within a run."""

    partition: int
    entry_id: str
    scores: tuple[tuple[RunRef, int, ScoreRecord], ...]

    @property
    def event_id(self) -> str:
        """How readers name it: `<entry id>@<partition>`."""
        return f"{self.entry_id}@{self.partition}"


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Entries by time. `more`: partitions that gave as many as they might. `without`: partitions whose feed no longer
    holds the entry that was read on from."""

    entries: list[FeedEntry]
    more: frozenset[int]
    without: frozenset[int]


@dataclass(frozen=True, slots=True)
class PartitionCommit:
    """All that one batch changes of one partition: written together or not at all."""

    partition: int
    fence: int
    cursor: str
    runs: tuple[RunCommit, ...]
    parked: tuple[ParkedEntry, ...] = ()
    entries: int = 0
    """How many entries of the stream the cursor moves over."""
    shadow_counts: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    """(project, shadow, count's name) → how much the batch adds to it."""
    dropped: tuple[str, ...] = ()
    """Entries that leave the stream with the commit: of runs whose content is not kept."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says of itself every second."""

    worker: str
    seen_ms: int
    pid: int
    partitions: tuple[int, ...]
    monitors: tuple[str, ...]
    device: str
    refused: Mapping[str, str] = field(default_factory=dict)
    """Monitors that the worker cannot load, each with the reason."""
    tried: Mapping[str, int] = field(default_factory=dict)
    """Monitors that were asked for → the latest wish (until when, ms) that the worker has answered."""

    def to_json(self) -> bytes:
        """The report as stored."""
        return orjson.dumps(asdict(self))

    @staticmethod
    def from_json(raw_report: bytes) -> WorkerReport:
        """The report that `to_json` wrote."""
        values = orjson.loads(raw_report)
        return WorkerReport(
            **{**values, "partitions": tuple(values["partitions"]), "monitors": tuple(values["monitors"])}
        )
