"""Plays finished runs against a live service as interleaved agents would: many at a time, each strictly in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from forewarn.replay.connection import Origin
from forewarn.replay.figures import Latency, PlayedRun, to_latency
from forewarn.replay.service import RecordedRun, ServiceConnection
from monitors.errors import ForewarnError

# Every so many steps one asks for its score in the same request, which is what event-to-score is measured by.
SAMPLE_EVERY = 8
WAIT_MS = 2_000
LAST_WAIT_MS = 10_000
SETTLE_S = 60.0
MAX_TAG_CHARS = 500
MAX_TASK_CHARS = 2_000


class UnscoredError(ForewarnError):
    """Steps were accepted and not scored in time."""


REPLAYED = "replay"
"""The agent's name where nothing hangs on it."""


@dataclass(frozen=True, slots=True)
class PlayableRun:
    """A finished run, ready to post: `steps` are raw steps as JSON, in order."""

    run: str
    task: str
    success: bool
    steps: tuple[bytes, ...]
    agent: str = REPLAYED
    """What the service is told before the first step."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to. `event_to_score` runs from sending a step to holding its score, over a sample of steps."""

    runs: list[PlayedRun]
    steps: int
    seconds: float
    event_to_score: Latency | None
    late_scores: int
    overload_s: float

    @property
    def events_per_s(self) -> float:
        """Steps accepted, by the time from the first request to the last answer."""
        return self.steps / self.seconds if self.seconds else 0.0


class Pacer:
    """Spaces steps of all runs together by 1 / rate seconds. No rate: as fast as answers come."""

    def __init__(self, steps_per_s: float | None) -> None:
        self._interval_s = 1 / steps_per_s if steps_per_s else 0.0
        self._next = 0.0

    async def pace(self) -> None:
        """Returns when the next step may go."""
        if not self._interval_s:
            return
        now = time.perf_counter()
        slot = max(self._next, now)
        self._next = slot + self._interval_s
        if slot > now:
            await asyncio.sleep(slot - now)


@dataclass(slots=True)
class _Tally:
    steps: int = 0
    late_scores: int = 0
    waits_ms: list[float] = field(default_factory=list)


class Replay:
    """Plays runs; each becomes a run of the service named `<label>-<number>`."""

    def __init__(
        self,
        origin: Origin,
        *,
        label: str,
        in_flight: int = 32,
        steps_per_s: float | None = None,
        on_run: Callable[[PlayedRun, int], None] | None = None,
    ) -> None:
        self._origin = origin
        self._label = label
        self._in_flight = in_flight
        self._pacer = Pacer(steps_per_s)
        self._on_run = on_run

    async def play(self, runs: Sequence[PlayableRun]) -> Replayed:
        """Plays all runs, posts their outcomes, and reads back what the service made of them.

        Raises `ServiceUnreachableError`, `RefusedError` (with the service's reason) and `UnscoredError`.
        """
        tally = _Tally()
        played: list[PlayedRun] = []
        connections = [ServiceConnection(self._origin) for _ in range(min(self._in_flight, len(runs)))]
        numbered = iter(enumerate(runs))
        began = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                for connection in connections:
                    group.create_task(self._work(connection, numbered, tally, played))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            for connection in connections:
                connection.close()
        return Replayed(
            runs=sorted(played, key=lambda run: run.run_id),
            steps=tally.steps,
            seconds=time.perf_counter() - began,
            event_to_score=to_latency(tally.waits_ms),
            late_scores=tally.late_scores,
            overload_s=sum(connection.waited_s for connection in connections),
        )

    async def _work(
        self,
        connection: ServiceConnection,
        numbered: Iterator[tuple[int, PlayableRun]],
        tally: _Tally,
        played: list[PlayedRun],
    ) -> None:
        for number, run in numbered:
            one = await self._play_one(connection, number, run, tally)
            played.append(one)
            if self._on_run is not None:
                self._on_run(one, tally.steps)

    async def _play_one(self, connection: ServiceConnection, number: int, run: PlayableRun, tally: _Tally) -> PlayedRun:
        run_id = f"{self._label}-{number:05d}"
        tags = {"replay": self._label, "run": run.run[:MAX_TAG_CHARS]}
        await connection.start_run(run_id, run.agent, run.task[:MAX_TASK_CHARS], tags)
        for position, step in enumerate(run.steps):
            await self._pacer.pace()
            last = position == len(run.steps) - 1
            # Which steps are sampled differs from run to run, so that no position is preferred.
            sampled = (position + number) % SAMPLE_EVERY == 0
            began = time.perf_counter()
            # The last one always waits: then all is scored before the outcome closes the run.
            scored = await connection.post_step(run_id, position, step, LAST_WAIT_MS if last else WAIT_MS * sampled)
            tally.steps += 1
            if last or sampled:
                tally.late_scores += not scored
                tally.waits_ms.append((time.perf_counter() - began) * 1000)
        await connection.post_outcome(run_id, success=run.success)
        recorded = await self._read(connection, run_id, len(run.steps))
        return PlayedRun(
            run.run, run_id, run.task, run.success, len(run.steps), recorded.last_turn, recorded.alert_turn
        )

    async def _read(self, connection: ServiceConnection, run_id: str, steps: int) -> RecordedRun:
        deadline = time.monotonic() + SETTLE_S
        while True:
            recorded = await connection.read_run(run_id)
            if recorded.scored >= steps:
                return recorded
            if time.monotonic() > deadline:
                raise UnscoredError(
                    f"run {run_id}: {recorded.scored} of {steps} steps were scored within {SETTLE_S:g} s"
                )
            await asyncio.sleep(0.1)
