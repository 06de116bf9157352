"""Single steps sent beside a load, each timed from outside: from the moment it is sent to the moment its score is told.

A score is told on its partition's channel after the commit that made it durable; that is what waiting requests and
live views hear.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
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


async def time_scores(service: Service, scripts: Sequence[Script], name: str, seconds: float) -> Timings:
    """Send probes at a steady pace for so long; from sending to the committed score, each."""
    sent: dict[tuple[str, int], float] = {}
    seen: dict[tuple[str, int], float] = {}
    redis: Redis = Redis.from_url(service.redis_url)
    listening = asyncio.Event()
    ear = asyncio.create_task(_listen(redis, f":{name}-", seen, listening))
    refused = 0

    async def send(lane: int) -> None:
        nonlocal refused
        async with Connection(service.url) as connection:
            pace = CONNECTIONS / PROBES_PER_S
            began = time.perf_counter() + lane / PROBES_PER_S
            number = 0
            while (at := began + number * pace) < began + seconds:
                await asyncio.sleep(max(0.0, at - time.perf_counter()))
                script = scripts[(lane + number // 32) % len(scripts)]
                run_id = f"{name}-{lane}-{number % 8}-{number // 32}"
                step = script.steps[number // 8 % len(script.steps)]
                now = time.perf_counter()
                status, answer = await connection.post(f"/v1/runs/{run_id}/steps", step)
                if status == 202:
                    sent[run_id, orjson.loads(answer)["steps"][0]["position"]] = now
                else:
                    refused += 1
                number += 1

    try:
        async with asyncio.timeout(10):
            await listening.wait()
        await asyncio.gather(*(send(lane) for lane in range(CONNECTIONS)))
        deadline = time.perf_counter() + LATE_S
        while not sent.keys() <= seen.keys() and time.perf_counter() < deadline:
            await asyncio.sleep(0.02)
    finally:
        ear.cancel()
        await asyncio.wait([ear])
        await redis.aclose()
    ms = [(seen[key] - at) * 1e3 for key, at in sent.items() if key in seen]
    return Timings(ms, refused + len(sent) - len(ms))


async def _listen(redis: Redis, name: str, seen: dict[tuple[str, int], float], listening: asyncio.Event) -> None:
    """Note when scores of runs whose name holds `name` are told."""
    keys = KeySpace(EMBEDDED_PARTITIONS)
    mark = name.encode()
    async with redis.pubsub() as subscription:
        await subscription.subscribe(*(keys[partition].scored for partition in range(keys.count)))
        async for message in subscription.listen():
            listening.set()
            frame = message["data"]
            if not isinstance(frame, bytes) or mark not in frame:
                continue
            now = time.perf_counter()
            for run, first, records in read_frame(frame):
                if name in run:
                    run_id = run.partition(":")[2]
                    for index in range(len(records) // SCORE_BYTES):
                        seen.setdefault((run_id, first + index), now)


async def time_waiting(service: Service, scripts: Sequence[Script], name: str, count: int) -> Timings:
    """Steps one after the other, each answered with its score (`?wait=score`)."""
    timings = Timings()
    async with Connection(service.url) as connection:
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
