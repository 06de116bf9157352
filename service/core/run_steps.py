"""A run's steps, a page at a time: what was stored of their scores, and the raw steps wherever they are by now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.errors import NotFound
from service.ports import ArchivedSteps, RunReader, WaitingSteps
from service.records import RunRecord, RunRef, ScoreRecord

STEPS_AT_MOST = 200
RAW_BYTES = 16 * 2**20
"""Raw steps of one answer."""
# The clocks of the API and of Redis may differ by so much.
SKEW_MS = 2000

NO_CONTENT = "no-content"
NOT_HERE = "not kept here"
NOT_FOUND = "not in the archive"
PARKED = "parked"
WAITING = "waiting to be scored"
TOO_MUCH = "too much to look through: ask for fewer steps"


@dataclass(frozen=True, slots=True)
class RunStep:
    """A step of a run. `record` is None where it is not scored yet; `data` is its JSON, or None, and `missing` says
    why."""

    position: int
    record: ScoreRecord | None
    data: bytes | None
    missing: str | None


class RunSteps:
    """Looks steps up. `archive` is None where this process knows of no archive."""

    def __init__(
        self,
        reader: RunReader,
        waiting: WaitingSteps,
        archive: ArchivedSteps | None,
        keeps_content: Callable[[str], bool],
    ) -> None:
        self._reader = reader
        self._waiting = waiting
        self._archive = archive
        self._keeps_content = keeps_content
        # Archived steps are unpacked on threads: no more at once than leave the others room.
        self._turns = asyncio.Semaphore(2)

    async def read(self, ref: RunRef, first: int, limit: int) -> tuple[RunRecord, list[RunStep]]:
        """The run, and up to `limit` of its steps from a position on. Raises NotFound."""
        run, records = await asyncio.gather(self._reader.read_run(ref), self._reader.read_scores(ref, first, limit))
        if run is None:
            raise NotFound(f"there is no run {ref.run_id}")
        count = max(0, min(limit, run.accepted - first))
        scored = {first + place: one for place, one in enumerate(records[:count]) if one is not None}
        positions = range(first, first + count)
        if not self._keeps_content(ref.project):
            return run, [RunStep(position, scored.get(position), None, NO_CONTENT) for position in positions]
        found, why = await self._find(ref, positions, scored)
        # A run that was deleted meanwhile is gone, whatever was found of it.
        if await self._reader.read_run(ref) is None:
            raise NotFound(f"there is no run {ref.run_id}")
        return run, [_to_step(position, scored.get(position), found.get(position), why) for position in positions]

    async def _find(
        self, ref: RunRef, positions: range, scored: Mapping[int, ScoreRecord]
    ) -> tuple[dict[int, bytes], str]:
        """The raw steps that are to be had, and why there are no others."""
        # The stream first: what has left it by now is in the archive.
        times = {position: record.received_ms for position, record in scored.items()}
        since_ms = 0 if len(scored) < len(positions) else min(times.values(), default=0) - SKEW_MS
        found = await self._waiting.read(ref, positions, since_ms) if positions else {}
        wanted = {position: at_ms for position, at_ms in times.items() if position not in found}
        archive = self._archive
        if not wanted:
            return found, NOT_FOUND
        if archive is None:
            return found, NOT_HERE
        async with self._turns:
            if not await asyncio.to_thread(lambda: archive.is_there):
                return found, NOT_HERE
            archived, is_all = await asyncio.to_thread(archive.read, ref, wanted, RAW_BYTES)
        return {**found, **archived}, NOT_FOUND if is_all else TOO_MUCH


def _to_step(position: int, record: ScoreRecord | None, data: bytes | None, why: str) -> RunStep:
    if data is not None:
        return RunStep(position, record, data, None)
    if record is None:
        return RunStep(position, None, None, WAITING)
    return RunStep(position, record, None, PARKED if record.parked else why)
