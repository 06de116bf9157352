"""The way into the log: requests in flight share one pipelined write, one script call a partition (group commit)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from redis.asyncio import Redis

from service.errors import LogUnavailable, NotFound, Overloaded, RunClosed, RunFull, TransientError
from service.records import Appended, NewStep, RunDescription, RunRef
from service.redis_log import scripts
from service.redis_log.connection import run_script, run_scripts
from service.redis_log.keys import KeySpace
from service.redis_log.scripts import Argument, Call

# One write carries at most so much, so that it neither blocks Redis for long nor grows the reply queue without bound.
WRITE_BYTES = 4 * 2**20
WRITE_STEPS = 2048
WAITING_BYTES = 64 * 2**20
ID_DIGEST_BYTES = 12


@dataclass(frozen=True, slots=True)
class AppendLimits:
    """What the append script refuses. `max_backlog` counts unscored steps of one partition."""

    max_steps_per_run: int = 100_000
    max_backlog: int = 100_000


@dataclass(slots=True)
class _Waiting:
    ref: RunRef
    monitor_id: str
    steps: Sequence[NewStep]
    size: int
    answer: asyncio.Future[list[Appended]]


class RedisStepLog:
    """StepLog on Redis. One write is in flight at a time; what arrives meanwhile goes with the next."""

    def __init__(self, client: Redis, keys: KeySpace, limits: AppendLimits | None = None) -> None:
        self._client = client
        self._keys = keys
        self._limits = limits or AppendLimits()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None

    async def append(self, ref: RunRef, steps: Sequence[NewStep], monitor_id: str) -> list[Appended]:
        """See `ports.StepLog.append`. Returns only after Redis has answered the write."""
        if not steps:
            return []
        size = sum(len(step.data) for step in steps)
        if self._waiting_bytes + size > WAITING_BYTES:
            raise Overloaded("more steps wait to be stored than this process holds: nothing of this request was stored")
        waiting = _Waiting(ref, monitor_id, steps, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_bytes += size
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="group commit")
        return await waiting.answer

    async def describe(self, ref: RunRef, description: RunDescription, monitor_id: str) -> bool:
        """See `ports.StepLog.describe`."""
        keys = self._keys.of_run(ref)
        fields: list[Argument] = []
        for name, value in (("agent", description.agent), ("task", description.task)):
            if value is not None:
                fields += (name, value)
        if description.tags is not None:
            fields += ("tags", orjson.dumps(description.tags))
        arguments: list[Argument] = [ref.name, now_ms(), monitor_id, *fields]
        return bool(await run_script(self._client, Call(scripts.DESCRIBE, [keys.run(ref), keys.runs], arguments)))

    async def end(self, ref: RunRef) -> None:
        """See `ports.StepLog.end`."""
        await self._close(ref, [])

    async def set_outcome(self, ref: RunRef, *, success: bool, intervened: bool | None) -> None:
        """See `ports.StepLog.set_outcome`."""
        said = "" if intervened is None else str(int(intervened))
        await self._close(ref, ["success", str(int(success)), "intervened", said])

    async def _close(self, ref: RunRef, fields: list[Argument]) -> None:
        call = Call(scripts.CLOSE, [self._keys.of_run(ref).run(ref)], [now_ms(), *fields])
        if not await run_script(self._client, call):
            raise NotFound(f"there is no run {ref.run_id}")

    async def _write_all(self) -> None:
        # One turn of the loop, so that requests which arrived together go together.
        await asyncio.sleep(0)
        while self._waiting:
            batch = self._take()
            try:
                await self._write(batch)
            except Exception as error:  # noqa: BLE001 - every waiting request must hear of it, whatever it was
                told = error if isinstance(error, TransientError) else LogUnavailable(f"the write failed: {error}")
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(told)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = steps = 0
        while self._waiting and (not batch or (size < WRITE_BYTES and steps < WRITE_STEPS)):
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.size
            size += waiting.size
            steps += len(waiting.steps)
            batch.append(waiting)
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        by_partition: dict[int, list[_Waiting]] = {}
        for waiting in batch:
            by_partition.setdefault(self._keys.partition_of(waiting.ref), []).append(waiting)
        now_us = time.time_ns() // 1000
        calls = [self._call(partition, group, now_us) for partition, group in by_partition.items()]
        for group, answers in zip(by_partition.values(), await run_scripts(self._client, calls), strict=True):
            for index, waiting in enumerate(group):
                if not waiting.answer.done():
                    self._answer(waiting, answers if isinstance(answers, Exception) else answers[index])

    def _call(self, partition: int, group: list[_Waiting], now_us: int) -> Call:
        keys = self._keys[partition]
        names = [keys.steps, keys.runs]
        arguments: list[Argument] = [
            now_us,
            self._limits.max_steps_per_run,
            self._limits.max_backlog,
            scripts.ID_WINDOW,
            len(group),
        ]
        for waiting in group:
            names += (keys.run(waiting.ref), keys.ids(waiting.ref))
            arguments += (waiting.ref.name, waiting.monitor_id, len(waiting.steps))
            for step in waiting.steps:
                arguments += (digest_id(step.client_id), step.data)
        return Call(scripts.APPEND, names, arguments)

    def _answer(self, waiting: _Waiting, answer: Any) -> None:
        if isinstance(answer, Exception):
            told = (
                answer if isinstance(answer, TransientError) else LogUnavailable(f"Redis refused the write: {answer}")
            )
            waiting.answer.set_exception(told)
            return
        code, *positions = answer
        run_id = waiting.ref.run_id
        if code == scripts.CLOSED:
            waiting.answer.set_exception(RunClosed(run_id))
        elif code == scripts.FULL:
            waiting.answer.set_exception(RunFull(run_id, self._limits.max_steps_per_run))
        elif code == scripts.BACKLOG:
            waiting.answer.set_exception(
                Overloaded(
                    f"{self._limits.max_backlog} steps wait to be scored: nothing of this request was stored",
                    retry_after_s=2,
                )
            )
        else:
            waiting.answer.set_result([Appended(p, False) if p >= 0 else Appended(-1 - p, True) for p in positions])


def digest_id(client_id: str) -> bytes:
    """What is kept of a client id: 12 bytes, so that long ids cost no more than short ones; empty for none."""
    return blake2b(client_id.encode(), digest_size=ID_DIGEST_BYTES).digest() if client_id else b""


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
