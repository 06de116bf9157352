"""Where scored steps, and what is known of runs that are over, are kept once they leave the log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from service.records import Cutoffs, Ending, Entry, RunRef


class StepArchive(Protocol):
    """Where scored steps go before they leave the log."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Keep these entries; durable when it returns. Blocks. One may come again after a crash. Raises OSError."""
        ...

    def sweep(self, cutoffs: Cutoffs) -> int:
        """Delete what projects have from days that ended before their cutoff; how many days or parts of days were
        touched. Blocks. Raises OSError."""
        ...

    def erase(self, digests: Collection[str], since_ms: int) -> bool:
        """Delete all lines of the runs with these digests (`RunRef.digest`) that were written since a time; False where
        another process still writes to a part, which must be asked again. Blocks. Raises OSError."""
        ...

    def rotate(self) -> None:
        """Write to parts that are new from now on, so that the old ones may be changed."""
        ...


class EndingArchive(Protocol):
    """Where endings are kept, beside the steps."""

    def write_endings(self, endings: Sequence[Ending]) -> None:
        """Keep these endings; durable when it returns. Blocks. One may come again after a crash. Raises OSError."""
        ...


class WaitingSteps(Protocol):
    """Raw steps that are in the log still."""

    async def read(self, ref: RunRef, wanted: Collection[int], since_ms: int) -> dict[int, bytes]:
        """The JSON of a run's steps at these positions that are in the log, by position; those stored before `since_ms`
        are not looked for. Raises LogUnavailable."""
        ...


class ArchivedSteps(Protocol):
    """Raw steps that were archived on this machine."""

    @property
    def is_there(self) -> bool:
        """False where this machine has no archive."""
        ...

    def read(self, ref: RunRef, wanted: Mapping[int, int], most_bytes: int) -> tuple[dict[int, bytes], bool]:
        """The JSON of a run's steps by position; `wanted` says when each was received (ms). At most about so many bytes
        of them; False where there was more to look through than one request may."""
        ...
