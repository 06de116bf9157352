"""Whether the processes' memory grows while a million steps go through, once their caches are full."""

from __future__ import annotations

import asyncio

from scripts.bench.bench import Bench, Figures
from scripts.bench.client import Connection
from scripts.bench.service import Service
from scripts.bench.windows import measure_window
from service.worker.leases import REMEMBERED_RUNS

STEPS, QUICK_STEPS = 1_000_000, 1_000
# A worker remembers so many runs. More than those have one step each before anything is compared.
FILLING_RUNS = REMEMBERED_RUNS * 5 // 4
LINES = 500
CHUNK_S = 15.0
AT_MOST_S = 600.0


def measure_memory(bench: Bench) -> Figures:
    """`rss_growth_mb`: of API and worker together over a million steps; `redis_rss_growth_mb` beside it."""
    steps = QUICK_STEPS if bench.quick else STEPS
    with bench.service() as service:
        if bench.ndjson:
            asyncio.run(_fill_caches(bench, service, LINES if bench.quick else FILLING_RUNS))
        # A first load lets the allocator settle.
        load = bench.load(bench.modes[0], seconds=1.0 if bench.quick else CHUNK_S)
        bench.note(measure_window(service, load, bench.script_file, bench.name("warm")), "caches full")
        warm, began = service.rss_mb(), service.counts()
        while (done := (now := service.counts()).scored - began.scored) < steps:
            if now.at - began.at > AT_MOST_S:
                bench.say(f"  {done:,.0f} steps in {AT_MOST_S:.0f} s: the rest is left out")
                break
            window = measure_window(service, load, bench.script_file, bench.name("long"))
            bench.note(window, f"{done:,.0f} steps")
        last = service.rss_mb()
    growth = {kind: last[kind] - warm[kind] for kind in last}
    bench.say("  grown by " + ", ".join(f"{kind} {mb:+.1f} MB" for kind, mb in growth.items()))
    return {
        "rss_growth_mb": growth["api"] + growth["worker"],
        "api_rss_mb": last["api"],
        "worker_rss_mb": last["worker"],
        "api_rss_growth_mb": growth["api"],
        "worker_rss_growth_mb": growth["worker"],
        "redis_rss_growth_mb": growth["redis"],
        "rss_growth_steps": done,
    }


async def _fill_caches(bench: Bench, service: Service, runs: int) -> None:
    """Give so many runs one step each, and wait until they are scored."""
    steps = [script.steps[0] for script in bench.scripts]
    name = bench.name("fill")
    async with Connection(service.url) as connection:
        for first in range(0, runs, LINES):
            lines = [
                b'{"run_id":"%s-%d","step":%s}' % (name.encode(), number, steps[number % len(steps)])
                for number in range(first, min(runs, first + LINES))
            ]
            await connection.must_post("/v1/steps", b"\n".join(lines), "application/x-ndjson")
    service.until_drained()
