"""What keys, limits and redaction take: the service with all of them beside one with none, in windows that alternate.

Both services are up all the time, and the one that is not measured idles. A window with guards is compared with the one
without beside it, so that what else the machine does meets both; the figure is the median of those ratios.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from scripts.bench.bench import Bench, Figures
from scripts.bench.guards import SETTINGS, STEPS_PER_S, prove_guards, put_guards, tokens_taken
from scripts.bench.measures.ingest import BACKLOG
from scripts.bench.probes import percentile, time_waiting
from scripts.bench.service import Service, ServiceError
from scripts.bench.windows import Window, measure_window
from service.core.tenants.rate import PORTION_S
from service.redis_log.keys import KeySpace
from service.settings import EMBEDDED_PARTITIONS

PAIRS = 8
WAITS = 40
# Short windows that alternate quickly: what disturbs then lasts longer than a pair.
WINDOW_SHARE = 0.25


def measure_guarded(bench: Bench) -> Figures:
    """`guarded_post_ratio`, `guarded_ndjson_ratio` (nobody scoring), `guarded_end_to_end_ratio`, `guarded_single_ratio`
    (all scored), `guarded_wait_score_ratio`: with guards ÷ without, above 1 better; and what a step costs both."""
    figures: Figures = {}
    modes = {"ndjson": ("guarded_ndjson", "guarded_end_to_end"), "single": ("guarded_post", "guarded_single")}
    for place, role in enumerate(("api", "all")):
        with ExitStack() as stack:
            backlog = {"max_backlog": BACKLOG} if role == "api" else {}
            plain = stack.enter_context(bench.service(role=role, **backlog))
            guarded = stack.enter_context(bench.service(role=role, **backlog, **SETTINGS))
            put_guards(guarded)
            prove_guards(guarded, bench.name("proof"))
            for mode in bench.modes:
                figures |= _compare(bench, plain, guarded, mode, modes[mode][place])
            if role == "all":
                figures["guarded_wait_score_ratio"] = _compare_waits(bench, plain, guarded)
            prove_guards(guarded, bench.name("proof"))
    return figures


def _compare(bench: Bench, plain: Service, guarded: Service, mode: str, name: str) -> Figures:
    before, steps = tokens_taken(guarded), 0.0
    services = {"plain": plain, "guarded": guarded}
    costs: dict[str, list[dict[str, float]]] = {"plain": [], "guarded": []}

    def measure(kind: str) -> float:
        nonlocal steps
        service = services[kind]
        load = bench.load(mode, seconds=max(1.0, WINDOW_SHARE * bench.seconds))
        first, cpu_before = service.counts(), service.cpu_s()
        window = measure_window(service, load, bench.script_file, bench.name(kind))
        # With the drain: in so short a window what is scored is not what was accepted.
        accepted, cpu_after = service.counts().accepted - first.accepted, service.cpu_s()
        if window.load.refused or not accepted:
            raise ServiceError(f"{window.load.refused} requests of the load were refused by the {kind} service")
        costs[kind].append({name: (cpu_after[name] - cpu_before[name]) / accepted * 1e6 for name in cpu_after})
        steps += accepted if kind == "guarded" else 0
        bench.load_cpu_s += window.load.cpu_s
        told = ", ".join(f"{name} {us:.0f}" for name, us in costs[kind][-1].items())
        bench.say(f"  {mode}, {kind}: {_sustained(window):,.0f}/s; CPU µs a step: {told}")
        _empty(service)
        return _sustained(window)

    ratio = _paired(bench, measure)
    # What is left of a portion taken before may have paid for some.
    if tokens_taken(guarded) - before < steps - STEPS_PER_S * PORTION_S:
        raise ServiceError("the guarded service took steps without their tokens")
    figures: Figures = {f"{name}_ratio": ratio}
    for kind, some in costs.items():
        figures[f"{name}_{kind}_cpu_us"] = statistics.median(sum(one.values()) for one in some)
        figures[f"{name}_{kind}_api_cpu_us"] = statistics.median(one["api"] for one in some)
    bench.say(f"  {name}: {ratio:.3f} of what it is without")
    return figures


def _compare_waits(bench: Bench, plain: Service, guarded: Service) -> float:
    services = {"plain": plain, "guarded": guarded}

    def measure(kind: str) -> float:
        timings = asyncio.run(time_waiting(services[kind], bench.scripts, bench.name(kind), WAITS))
        p50 = percentile(timings.ms, 0.5)
        if p50 is None or timings.lost:
            raise ServiceError(f"{timings.lost} waits for a score were lost by the {kind} service")
        bench.say(f"  wait=score, {kind}: p50 {p50:.2f} ms")
        return 1 / p50

    ratio = _paired(bench, measure)
    bench.say(f"  wait=score: the wait without is {ratio:.3f} of that with guards")
    return ratio


def _paired(bench: Bench, measure: Callable[[str], float]) -> float:
    """The median ratio of guarded to plain over pairs that are measured A B B A …"""
    return paired_ratio(measure, 1 if bench.quick else PAIRS, warm_up=not bench.quick)


def paired_ratio(measure: Callable[[str], float], pairs: int, *, warm_up: bool) -> float:
    """The median over pairs of what `measure` gives for "guarded" ÷ for "plain"; each pair begins with the one that
    the pair before ended with. A warm-up measures both once and drops it."""
    if warm_up:
        measure("plain"), measure("guarded")
    ratios = []
    for number in range(pairs):
        order = ("plain", "guarded") if number % 2 == 0 else ("guarded", "plain")
        found = {kind: measure(kind) for kind in order}
        ratios.append(found["guarded"] / found["plain"])
    return statistics.median(ratios)


def _sustained(window: Window) -> float:
    """Steps per second over the load and what the worker went on for after it."""
    return window.accepted_per_s * window.load.seconds / (window.load.seconds + window.drain_s)


def _empty(service: Service) -> None:
    """Drop the steps that nobody will score, so that the next window finds no fuller Redis."""
    if "worker" in service.pids:
        return
    redis: Any = service.redis
    keys = KeySpace(EMBEDDED_PARTITIONS)
    for partition in range(keys.count):
        redis.xtrim(keys[partition].steps, maxlen=0, approximate=False)
