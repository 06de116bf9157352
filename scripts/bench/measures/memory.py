"""Whether the processes' memory grows while a million steps go through."""

from __future__ import annotations

from scripts.bench.bench import Bench, Figures
from scripts.bench.windows import measure_window

STEPS, QUICK_STEPS = 1_000_000, 1_000
# Caches fill and the allocator settles first.
WARM_SHARE = 0.1
CHUNK_S = 15.0
AT_MOST_S = 600.0


def measure_memory(bench: Bench) -> Figures:
    """`rss_growth_mb`: of API and worker together, from the first tenth to the end; `redis_growth_mb` beside it."""
    steps = QUICK_STEPS if bench.quick else STEPS
    with bench.service() as service:
        began = service.counts()
        warm: dict[str, float] = {}
        while (done := (now := service.counts()).scored - began.scored) < steps:
            if now.at - began.at > AT_MOST_S:
                bench.say(f"  {done:,.0f} steps in {AT_MOST_S:.0f} s: the rest is left out")
                break
            if not warm and done >= WARM_SHARE * steps:
                warm = service.rss_mb()
            seconds = 1.0 if bench.quick else CHUNK_S
            bench.note(
                measure_window(
                    service, bench.load(bench.modes[0], seconds=seconds), bench.script_file, bench.name("long")
                ),
                f"{done:,.0f} steps",
            )
        last = service.rss_mb()
    warm = warm or last
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
