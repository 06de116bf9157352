"""What quality needs of the outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from service.core.quality.finished import FinishedRun

Cursors = dict[str, int]
"""By partition, as text: when the last runs that were looked at ended (ms). None is named: it may be
deleted."""


class QualityStore(Protocol):
    """Where runs that are over are counted and indexed, and where looks at them are kept."""

    async def read_tallies(self) -> dict[str, int]:
        """How many runs there are of each kind (`counts.parse_tally`), over all partitions."""
        ...

    async def read_kept(self) -> dict[str, bytes]:
        """What earlier looks kept, by name."""
        ...

    async def write_kept(self, cursors: bytes, new: Mapping[str, bytes]) -> bool:
        """Keep these, if the cursors still are as they were read (b"" for none); False if somebody else has looked
        since, and nothing was written."""
        ...

    async def read_ended(
        self, cursors: Mapping[str, int], until_ms: int, count: int
    ) -> tuple[list[FinishedRun], Cursors, bool]:
        """About `count` runs that ended after the cursors and by a time, all of one millisecond together; the cursors
        behind them; whether there are more."""
        ...

    async def newest_labelled(self, count: int) -> dict[str, int]:
        """The names of the runs whose outcomes were said last, each with when (ms)."""
        ...

    async def read_finished(self, names: Sequence[str]) -> dict[str, FinishedRun]:
        """These runs, as far as they are still there."""
        ...
