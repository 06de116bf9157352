"""Single steps sent beside a load, each timed from outside: from the moment it is sent to the moment its score is told.

A score is told on its partition's channel after the commit that made it durable; that is what waiting requests and
live views hear.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import orjson
from redis.asyncio import Redis

from scripts.bench.client import Connection
from scripts.bench.events import Script
from scripts.bench.service import Service
from service.records import SCORE_BYTES
from service.redis_log.frames import read_frame
from service.redis_log.keys import KeySpace
from service.settings import EMBEDDED_PARTITIONS

PROBES_PER_S = 60.0
CONNECTIONS = 4
LATE_S = 5.0


@dataclass(slots=True)
class Timings:
    """Milliseconds of each probe that came through, and how many did not within the time."""

    ms: list[float] = field(default_factory=list)
    lost: int = 0


class _Ear:
    """Hears of the scores of runs whose name begins with `name`, and when it did."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.heard: dict[tuple[str, int], float] = {}
        self.listening = asyncio.Event()
        self.news = asyncio.Event()

    async def listen(self, redis: Redis) -> None:
        """Listen until cancelled."""
        keys = KeySpace(EMBEDDED_PARTITIONS)
        mark = f":{self._name}-".encode()
        async with redis.pubsub() as subscription:
            await subscription.subscribe(*(keys[partition].scored for partition in range(keys.count)))
            async for message in subscription.listen():
                self.listening.set()
                frame = message["data"]
                if isinstance(frame, bytes) and mark in frame:
                    self._take(frame, time.perf_counter())

    def _take(self, frame: bytes, now: float) -> None:
        for run, first, records in read_frame(frame):
            run_id = run.partition(":")[2]
            if run_id.startswith(f"{self._name}-"):
                for index in range(len(records) // SCORE_BYTES):
                    self.heard.setdefault((run_id, first + index), now)
        self.news.set()

    async def until_heard(self, keys: Collection[tuple[str, int]], within_s: float) -> None:
        """Wait until all these scores are heard of, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not self.heard.keys() >= set(keys):
                    self.news.clear()
                    await self.news.wait()


async def time_scores(service: Service, scripts: Sequence[Script], name: str, seconds: float) -> Timings:
    """Send probes at a steady pace for so long; from sending to the committed score, each."""
    sent: dict[tuple[str, int], float] = {}
    refused = [0] * CONNECTIONS
    pace = CONNECTIONS / PROBES_PER_S

    async def send(lane: int) -> None:
        async with Connection(service.url, service.key) as connection:
            began = time.perf_counter() + lane / PROBES_PER_S
            for number in range(int(seconds / pace)):
                await asyncio.sleep(max(0.0, began + number * pace - time.perf_counter()))
                # Eight runs a lane in turn, so that none is sent a step while the one before is being scored.
                run_id = f"{name}-{lane}-{number % 8}-{number // 256}"
                script = scripts[(lane * 8 + number % 8 + number // 256) % len(scripts)]
                step = script.steps[number // 8 % 32 % len(script.steps)]
                now = time.perf_counter()
                status, answer = await connection.post(f"/v1/runs/{run_id}/steps", step)
                if status == 202:
                    sent[run_id, orjson.loads(answer)["steps"][0]["position"]] = now
                else:
                    refused[lane] += 1

    ear = _Ear(name)
    redis: Redis = Redis.from_url(service.redis_url)
    listening = asyncio.create_task(ear.listen(redis))
    try:
        async with asyncio.timeout(10):
            await ear.listening.wait()
        await asyncio.gather(*(send(lane) for lane in range(CONNECTIONS)))
        await ear.until_heard(sent, LATE_S)
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        await redis.aclose()
    ms = [(ear.heard[key] - at) * 1e3 for key, at in sent.items() if key in ear.heard]
    return Timings(ms, sum(refused) + len(sent) - len(ms))


async def time_waiting(service: Service, scripts: Sequence[Script], name: str, count: int) -> Timings:
    """Steps one after the other, each answered with its score (`?wait=score`)."""
    timings = Timings()
    async with Connection(service.url, service.key) as connection:
        for number in range(count):
            script = scripts[number // 20 % len(scripts)]
            step = script.steps[number % 20 % len(script.steps)]
            now = time.perf_counter()
            status, _ = await connection.post(f"/v1/runs/{name}-{number // 20}/steps?wait=score", step)
            if status == 200:
                timings.ms.append((time.perf_counter() - now) * 1e3)
            else:
                timings.lost += 1
    return timings


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of them do not exceed (nearest rank); None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
