"""The way into the log: requests in flight share one pipelined write, one script call a partition (group commit)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from zlib import crc32

import orjson

from service.errors import (
    Crowded,
    IdReused,
    LogUnavailable,
    NotFound,
    Overloaded,
    RunClosed,
    RunFull,
    ServiceError,
    StepLate,
    TransientError,
)
from service.records import Appended, NewStep, RunDescription, RunRef, StepGroup
from service.redis_log import scripts
from service.redis_log.connection import RedisClient, run_script, run_scripts
from service.redis_log.keys import KeySpace
from service.redis_log.pressure import Pressure
from service.redis_log.scripts import Argument, Call

# One write carries at most so much, so that it neither blocks Redis for long nor grows the reply queue without bound.
WRITE_BYTES = 4 * 2**20
WRITE_STEPS = 2048
WAITING_BYTES = 64 * 2**20
ID_DIGEST_BYTES = 12

Answers = list[Appended | ServiceError]


@dataclass(frozen=True, slots=True)
class AppendLimits:
    """What the append script refuses. `max_backlog` counts unscored steps of one partition; of `max_live_runs` each
    partition has its share."""

    max_steps_per_run: int = 100_000
    max_backlog: int = 100_000
    max_live_runs: int = 100_000


@dataclass(slots=True)
class _Request:
    """A caller who waits for all groups of a request to be answered."""

    answers: list[Answers | None]
    missing: int
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Waiting:
    group: StepGroup
    received_us: int
    size: int
    request: _Request
    index: int

    def answer(self, answers: Answers) -> None:
        """Note what became of the group; the last one wakes the caller."""
        self.request.answers[self.index] = answers
        self.request.missing -= 1
        if self.request.missing == 0 and not self.request.done.done():
            self.request.done.set_result(None)


class RedisStepLog:
    """StepLog on Redis. One write is in flight at a time; what arrives meanwhile goes with the next."""

    def __init__(
        self, client: RedisClient, keys: KeySpace, limits: AppendLimits | None = None, pressure: Pressure | None = None
    ) -> None:
        self._client = client
        self._keys = keys
        self._limits = limits or AppendLimits()
        self._live_runs = -(-self._limits.max_live_runs // keys.count)
        self._pressure = pressure or Pressure(client, keys)
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None

    async def append(self, groups: Sequence[StepGroup]) -> list[Answers]:
        """See `ports.StepLog.append`. Returns only after Redis has answered the write."""
        self._pressure.check()
        size = sum([len(step.data) for group in groups for step in group.steps])
        if self._waiting_bytes + size > WAITING_BYTES:
            raise Overloaded("more steps wait to be stored than this process holds: nothing of this request was stored")
        request = _Request([None] * len(groups), len(groups), asyncio.get_running_loop().create_future())
        received_us = time.time_ns() // 1000
        for index, group in enumerate(groups):
            own = size if len(groups) == 1 else sum([len(step.data) for step in group.steps])
            self._waiting.append(_Waiting(group, received_us, own, request, index))
        self._waiting_bytes += size
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="group commit")
        if groups:
            await request.done
        return [answers or [] for answers in request.answers]

    async def describe(self, ref: RunRef, description: RunDescription, monitor_id: str) -> bool:
        """See `ports.StepLog.describe`."""
        keys = self._keys.of_run(ref)
        fields: list[Argument] = []
        for name, value in (("agent", description.agent), ("task", description.task)):
            if value is not None:
                fields += (name, value)
        if description.tags is not None:
            fields += ("tags", orjson.dumps(description.tags))
        arguments: list[Argument] = [ref.name, now_ms(), monitor_id, self._live_runs, *fields]
        touched = [keys.run(ref), keys.runs, keys.live, keys.closed]
        fresh = await run_script(self._client, Call(scripts.DESCRIBE, touched, arguments))
        if fresh < 0:
            raise Crowded(self._limits.max_live_runs)
        return bool(fresh)

    async def end(self, ref: RunRef) -> None:
        """See `ports.StepLog.end`."""
        await self._close(ref, [])

    async def set_outcome(self, ref: RunRef, *, success: bool, intervened: bool | None) -> bool:
        """See `ports.StepLog.set_outcome`."""
        said = "" if intervened is None else str(int(intervened))
        return await self._close(ref, ["success", str(int(success)), "intervened", said])

    async def delete_outcome(self, ref: RunRef) -> bool:
        """See `ports.StepLog.delete_outcome`."""
        return await self._close(ref, ["success", "", "intervened", ""])

    async def _close(self, ref: RunRef, fields: list[Argument]) -> bool:
        keys = self._keys.of_run(ref)
        indexes = [keys.steps, keys.counts, keys.live, keys.early]
        touched = [keys.run(ref), *indexes, keys.ids(ref), keys.run_early(ref), keys.closed]
        touched += (keys.ended, keys.labelled, keys.tally, keys.held, keys.run_held(ref))
        call = Call(scripts.CLOSE, touched, [ref.name, now_ms(), *fields])
        answer = await run_script(self._client, call)
        if not answer:
            raise NotFound(f"there is no run {ref.run_id}")
        return bool(answer == 2)

    async def _write_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._pressure.pause_s())
            batch = self._take()
            try:
                await self._write(batch)
            except Exception as error:  # noqa: BLE001 - every waiting request must hear of it, whatever it was
                told = error if isinstance(error, TransientError) else LogUnavailable(f"the write failed: {error}")
                for waiting in batch:
                    if waiting.request.answers[waiting.index] is None:
                        waiting.answer([told] * len(waiting.group.steps))

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = steps = 0
        while self._waiting and (not batch or (size < WRITE_BYTES and steps < WRITE_STEPS)):
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.size
            size += waiting.size
            steps += len(waiting.group.steps)
            batch.append(waiting)
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        by_call: dict[tuple[bool, int], list[_Waiting]] = {}
        for waiting in batch:
            held = waiting.group.steps[0].ended_ns is not None
            by_call.setdefault((held, self._keys.partition_of(waiting.group.ref)), []).append(waiting)
        calls = [
            self._hold(partition, together) if held else self._call(partition, together)
            for (held, partition), together in by_call.items()
        ]
        stored = await run_scripts(self._client, calls, durable=True)
        for ((_, partition), together), answers in zip(by_call.items(), stored, strict=True):
            if not isinstance(answers, Exception):
                self._pressure.see(partition, answers[-1])
            for index, waiting in enumerate(together):
                answer = answers if isinstance(answers, Exception) else answers[index]
                waiting.answer(self._read(waiting.group, answer))

    def _call(self, partition: int, together: list[_Waiting]) -> Call:
        keys = self._keys[partition]
        names = [keys.steps, keys.runs, keys.counts, keys.live, keys.early]
        # Told once a call and numbered: all groups of a project have the same, and it may name many agents.
        choices: dict[str, int] = {}
        numbers = [choices.setdefault(to_choice(waiting.group), len(choices) + 1) for waiting in together]
        arguments: list[Argument] = [
            now_ms(),
            self._limits.max_steps_per_run,
            self._limits.max_backlog,
            self._live_runs,
            scripts.ID_WINDOW,
            scripts.SEQ_WINDOW,
            len(together),
            len(choices),
            *choices,
        ]
        for waiting, number in zip(together, numbers, strict=True):
            group = waiting.group
            names += (keys.run(group.ref), keys.ids(group.ref), keys.run_early(group.ref))
            arguments += (group.ref.name, number, waiting.received_us, len(group.steps))
            for step in group.steps:
                arguments += (to_mark(step), "" if step.seq is None else step.seq, step.data)
        return Call(scripts.APPEND, names, arguments)

    def _hold(self, partition: int, together: list[_Waiting]) -> Call:
        keys = self._keys[partition]
        names = [keys.runs, keys.counts, keys.live, keys.held]
        limits = (self._limits.max_steps_per_run, self._limits.max_backlog, self._live_runs)
        arguments: list[Argument] = [now_ms(), *limits, len(together)]
        for waiting in together:
            group = waiting.group
            ref = group.ref
            names += (keys.run(ref), keys.ids(ref), keys.run_held(ref), keys.run_early(ref))
            arguments += (ref.name, to_choice(group), group.agent, group.service, waiting.received_us, len(group.steps))
            for step in group.steps:
                arguments += (digest_id(step.client_id) + b"\0" * 4, f"{step.ended_ns:020}", step.data)
        return Call(scripts.HOLD, names, arguments)

    def _read(self, group: StepGroup, answer: Any) -> Answers:
        """What the script's answer says of each step of a group."""
        if not isinstance(answer, Exception) and answer[0] == scripts.STORED:
            return [
                Appended(said) if said >= 0 else _unusual(group, step, said)
                for step, said in zip(group.steps, answer[1:], strict=True)
            ]
        return [self._refusal(group.ref.run_id, answer)] * len(group.steps)

    def _refusal(self, run_id: str, answer: Any) -> ServiceError:
        """Why nothing of a group was stored."""
        if isinstance(answer, TransientError):
            return answer
        if isinstance(answer, Exception):
            return LogUnavailable(f"Redis refused the write: {answer}")
        if answer[0] == scripts.CLOSED:
            return RunClosed(run_id)
        if answer[0] == scripts.FULL:
            return RunFull(run_id, self._limits.max_steps_per_run)
        if answer[0] == scripts.CROWDED:
            return Crowded(self._limits.max_live_runs)
        return self._pressure.overloaded(self._limits.max_backlog)


def to_choice(group: StepGroup) -> str:
    """Which monitors the group's run begins with, as the append script reads it."""
    if not group.shadow_id and not group.by_agent:
        return group.monitor_id
    choice = {"monitor": group.monitor_id, "shadow": group.shadow_id, "by_agent": dict(group.by_agent)}
    return orjson.dumps(choice).decode()


def _unusual(group: StepGroup, step: NewStep, said: int) -> Appended | ServiceError:
    """What the script says of a step that was not just stored at the end of its run."""
    if said == scripts.EARLY:
        return Appended(None)
    if said == scripts.REPEATS_EARLY:
        return Appended(None, duplicate=True)
    if said == scripts.LATE:
        return StepLate(group.ref.run_id, step.seq or 0)
    if said == scripts.REUSED:
        return IdReused(group.ref.run_id)
    return Appended(-1 - said, duplicate=True)


def to_mark(step: NewStep) -> bytes:
    """What the append script knows a step by: the digest of its id, or of its `seq`, and the CRC-32 of the step; empty
    for a step with neither."""
    name = step.client_id or ("" if step.seq is None else f"seq\0{step.seq}")
    return digest_id(name) + crc32(step.data).to_bytes(4, "big") if name else b""


def digest_id(client_id: str) -> bytes:
    """What is kept of a client id: 12 bytes, so that long ids cost no more than short ones; empty for none."""
    return blake2b(client_id.encode(), digest_size=ID_DIGEST_BYTES).digest() if client_id else b""


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
