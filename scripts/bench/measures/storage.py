"""What Redis keeps of a run once it is scored, and what it writes to disk for a step."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from scripts.bench.bench import Bench, Figures
from scripts.bench.client import Connection
from scripts.bench.service import Service
from scripts.bench.windows import measure_window
from service.records import DEFAULT_PROJECT, RunRef
from service.redis_log.keys import KeySpace
from service.settings import EMBEDDED_PARTITIONS

STEPS = 40
FIXED_BYTES, BYTES_A_STEP = 2048, 48


def measure_storage(bench: Bench) -> Figures:
    """`bytes_per_run` beside `bytes_per_run_bar`, `redis_bytes_written_per_step` of both kinds of load."""
    figures: Figures = {}
    with bench.service() as service:
        names = [bench.name("kept-") for _ in range(20 if bench.quick else 400)]
        before = service.redis.info("memory")["used_memory"]
        asyncio.run(_fill(bench, service, names))
        service.until_drained()
        time.sleep(0.5)
        grown = service.redis.info("memory")["used_memory"] - before
        sizes, state = _sizes(service, names)
        figures["bytes_per_run"] = statistics.mean(sizes)
        figures["bytes_per_run_bar"] = FIXED_BYTES + state + BYTES_A_STEP * STEPS
        figures["state_bytes"] = state
        figures["used_memory_per_run"] = grown / len(names)
        bench.say(f"  a run of {STEPS} steps keeps {statistics.mean(sizes):,.0f} B, of them {state:,.0f} its state")
        for mode in bench.modes:
            figures[f"redis_bytes_written_per_step_{mode}"] = _written(bench, service, mode)
    figures["redis_bytes_written_per_step"] = figures[f"redis_bytes_written_per_step_{bench.modes[0]}"]
    return figures


async def _fill(bench: Bench, service: Service, names: list[str]) -> None:
    flat = [step for script in bench.scripts for step in script.steps]
    async with Connection(service.url) as connection:
        for index, name in enumerate(names):
            steps = [flat[(index * 7 + at) % len(flat)] for at in range(STEPS)]
            await connection.must_post(f"/v1/runs/{name}/steps", b"[" + b",".join(steps) + b"]")


def _sizes(service: Service, names: list[str]) -> tuple[list[int], float]:
    """Each run's bytes in Redis, by Redis's own account of its keys with its share of the indexes, and the mean size of
    a state."""
    keys = KeySpace(EMBEDDED_PARTITIONS)
    redis: Any = service.redis
    indexes: dict[str, float] = {}
    for partition in range(keys.count):
        name = keys[partition].runs
        count = redis.zcard(name)
        indexes[name] = (redis.memory_usage(name, samples=0) or 0) / count if count else 0.0
    sizes, states = [], []
    for run_id in names:
        ref = RunRef(DEFAULT_PROJECT, run_id)
        own = keys.of_run(ref)
        # Whatever the service calls a run's keys: they hold the run's name.
        pattern = f"*{ref.name}"
        held = list(redis.scan_iter(match=pattern, count=100_000))
        sizes.append(int(sum(redis.memory_usage(key, samples=0) or 0 for key in held) + indexes[own.runs]))
        states.append(redis.hstrlen(own.run(ref), "state"))
    return sizes, statistics.mean(states)


def _written(bench: Bench, service: Service, mode: str) -> float:
    """Bytes that the append-only file grows by for each step scored."""
    redis: Any = service.redis
    # A rewrite in the middle would shrink the file.
    redis.config_set("auto-aof-rewrite-percentage", 0)
    try:
        first = (redis.info("persistence")["aof_current_size"], service.counts().scored)
        window = measure_window(
            service, bench.load(mode, seconds=bench.seconds / 2), bench.script_file, bench.name("written")
        )
        bench.note(window, f"{mode}, bytes written")
        last = (redis.info("persistence")["aof_current_size"], service.counts().scored)
    finally:
        redis.config_set("auto-aof-rewrite-percentage", 100)
    return float((last[0] - first[0]) / max(1.0, last[1] - first[1]))
