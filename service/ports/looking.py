"""The way to look: runs, scores, alerts, and what was committed lately."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from service.records import (
    Acknowledgement,
    AlertQuery,
    CommitSignal,
    FeedPage,
    JsonObject,
    LiveCounts,
    RunQuery,
    RunRecord,
    RunRef,
    ScoreRecord,
)


class RunReader(Protocol):
    """The way to look: nothing here changes anything."""

    async def list_runs(self, query: RunQuery) -> tuple[list[RunRecord], tuple[int, str] | None]:
        """Runs, newest first, and where to go on if there are more."""
        ...

    async def read_run(self, ref: RunRef) -> RunRecord | None:
        """A run's record."""
        ...

    async def read_runs(self, refs: Sequence[RunRef]) -> list[RunRecord | None]:
        """Runs' records, together."""
        ...

    async def read_scores(self, ref: RunRef, first: int, count: int) -> list[ScoreRecord | None]:
        """Scores of consecutive steps from position `first`; None where not scored yet."""
        ...

    async def oldest_run_ms(self, project: str) -> int | None:
        """When the project's oldest run was created; None where none is among the oldest of each partition."""
        ...

    async def read_agents(self, refs: Sequence[RunRef]) -> list[str]:
        """Runs' agents, "" where none was named."""
        ...

    async def read_run_alerts(self, ref: RunRef) -> list[JsonObject]:
        """A run's alerts, by episode, each with what has become of it (`episodes.with_state`)."""
        ...

    async def read_alert(self, project: str, alert_id: str) -> JsonObject | None:
        """One alert, likewise."""
        ...

    async def list_alerts(self, query: AlertQuery) -> tuple[list[JsonObject], tuple[int, str] | None]:
        """Alerts, newest first, each with what has become of it, and where to go on if there are more."""
        ...


class LiveRunCounter(Protocol):
    """Counts runs that have neither ended nor expired."""

    async def live_by_project(self) -> LiveCounts:
        """How many are live in each project; of very many a sample is looked at. Raises TransientError."""
        ...


class Acknowledger(Protocol):
    """The way to say that an alert was seen."""

    async def acknowledge(self, project: str, alert_id: str, acknowledgement: Acknowledgement) -> bool:
        """Write it down, unless there is one already: the first holds. True if this is the first. Raises NotFound."""
        ...


class ScoreWatch(Protocol):
    """Sees one run's scores from the moment it was opened."""

    async def look(self, positions: set[int]) -> None:
        """See what is committed of these positions already: a duplicate's score is told no second time."""
        ...

    async def wait(self, positions: Sequence[int], timeout_s: float) -> dict[int, ScoreRecord]:
        """Scores of these positions as far as they are committed within the time."""
        ...


class ScoreBoard(Protocol):
    """Tells of scores as they are committed, whichever process commits them."""

    def watch(self, ref: RunRef) -> AbstractAsyncContextManager[ScoreWatch]:
        """Watch one run; open it before appending."""
        ...

    def signal(self, ref: RunRef) -> AbstractAsyncContextManager[asyncio.Event]:
        """An event that is set whenever scores of the run are committed. May miss one: look now and then."""
        ...

    def commits(self) -> AbstractAsyncContextManager[CommitSignal]:
        """Hear which partitions commit. May miss one: look now and then."""
        ...


class UpdateFeed(Protocol):
    """The latest commits of every partition, bounded, for displays that come and go."""

    async def newest(self) -> dict[int, str]:
        """The last entry of each partition, "0-0" where there is none."""
        ...

    async def read(self, after: Mapping[int, str], count: int) -> FeedPage:
        """Entries after each partition's id, at most `count` of each."""
        ...

    async def is_cut(self, after: Mapping[int, str]) -> bool:
        """True if entries after some partition's id may have left the feed already."""
        ...
