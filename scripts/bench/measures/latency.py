"""How soon a step's score is there: beside a load of half of what the service sustains, and of nine tenths."""

from __future__ import annotations

import asyncio

from scripts.bench.bench import Bench, Figures
from scripts.bench.measures.rate import find_rate
from scripts.bench.probes import Timings, percentile, time_scores, time_waiting
from scripts.bench.service import Service
from scripts.bench.windows import measure_window

WAITS = 300


def measure_latency(bench: Bench) -> Figures:
    """`event_to_score_p50_ms` and `_p99_ms` at half load, the same at 90 %, and `wait_score_p50_ms` with no other
    load."""
    figures: Figures = {}
    with bench.service() as service:
        waits = asyncio.run(
            time_waiting(service, bench.scripts, bench.name("wait"), WAITS // 10 if bench.quick else WAITS)
        )
        figures["wait_score_p50_ms"], figures["wait_score_p99_ms"] = _p50_p99(waits)
        bench.say(f"  wait=score: p50 {figures['wait_score_p50_ms']:.1f} ms" if waits.ms else "  wait=score: no answer")
        full_per_s = find_rate(bench, service, bench.modes[0]).scored_per_s
        for share, suffix in ((0.5, ""), (0.9, "_at_90")):
            timings = _beside_load(bench, service, share, full_per_s)
            p50, p99 = _p50_p99(timings)
            figures |= {f"event_to_score_p50_ms{suffix}": p50, f"event_to_score_p99_ms{suffix}": p99}
            if p50 is not None and p99 is not None:
                bench.say(
                    f"  {share:.0%}: p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(timings.ms)}, {timings.lost} lost"
                )
    return figures


def _beside_load(bench: Bench, service: Service, share: float, full_per_s: float) -> Timings:
    mode = bench.modes[0]
    seconds = bench.seconds if bench.quick else max(bench.seconds, 20.0)
    load = bench.load(mode, share * full_per_s / bench.load(mode).steps_a_request, seconds)
    timings = Timings()

    def probe(window_s: float) -> None:
        nonlocal timings
        timings = asyncio.run(time_scores(service, bench.scripts, bench.name("probe"), window_s))

    window = measure_window(service, load, bench.script_file, bench.name("half"), probe)
    bench.note(window, f"{mode} at {share:.0%} of {full_per_s:,.0f}/s")
    return timings


def _p50_p99(timings: Timings) -> tuple[float | None, float | None]:
    return percentile(timings.ms, 0.5), percentile(timings.ms, 0.99)
