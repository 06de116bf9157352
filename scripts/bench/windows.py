"""A window of steady load: what was accepted and scored in it, what it cost whom, whether the backlog grew."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.load import Load, LoadResult, RunningLoad
from scripts.bench.service import Service

# The load's first moments, with cold connections, and its last are not measured: so much of a window, each.
SETTLE_SHARE, SETTLE_AT_MOST_S = 0.3, 1.5
# A backlog of less than so much work is what a batch holds, and no sign of falling behind.
BATCH_S = 0.25
# A paced load leaves so much to spare for what comes unevenly.
PACE = 0.97
ATTEMPTS = 3


@dataclass(slots=True)
class Window:
    """What happened between two looks at the service's counters, `seconds` apart."""

    load: LoadResult
    seconds: float
    accepted_per_s: float
    scored_per_s: float
    backlog_growth: float
    """Steps that wait at the end beyond those that waited at the beginning."""
    cpu_us_per_step: dict[str, float]
    """Processor microseconds for each step scored (without a worker: accepted), by kind of process."""
    drain_s: float = 0.0
    """How long the worker went on after the load had ended."""

    @property
    def steady(self) -> bool:
        """True if scoring kept up."""
        return self.backlog_growth <= max(BATCH_S * self.scored_per_s, 64)


def measure_window(
    service: Service, load: Load, scripts: Path, name: str, during: Callable[[float], None] | None = None
) -> Window:
    """Make the load for its seconds (and a moment before), look at its beginning and end, wait until all is scored.

    `during` is called with the window's seconds while it lasts.
    """
    settle_s = min(SETTLE_SHARE * load.seconds, SETTLE_AT_MOST_S)
    whole = Load(load.mode, load.seconds + 2 * settle_s, load.connections, load.rate, load.live_runs)
    running = RunningLoad(whole, service.url, scripts, name, service.key)
    try:
        time.sleep(settle_s)
        first, cpu_before = service.counts(), service.cpu_s()
        if during is not None:
            during(load.seconds)
        time.sleep(max(0.0, first.at + load.seconds - time.monotonic()))
        last, cpu_after = service.counts(), service.cpu_s()
        result = running.wait()
    finally:
        running.stop()
    seconds = last.at - first.at
    accepted, scored = last.accepted - first.accepted, last.scored - first.scored
    drain_s = service.until_drained() if "worker" in service.pids else 0.0
    steps = max(1.0, scored if "worker" in service.pids else accepted)
    return Window(
        result,
        seconds,
        accepted / seconds,
        scored / seconds,
        last.backlog - first.backlog,
        {kind: (cpu_after[kind] - cpu_before[kind]) / steps * 1e6 for kind in cpu_before},
        drain_s,
    )


def measure_sustained(service: Service, load: Load, scripts: Path, name: str) -> Window:
    """The window of the highest load that scoring keeps up with.

    First as fast as the connections carry. Where the backlog grows meanwhile, ingest took processor time that scoring
    lacked: then paced by what was scored over the load and the time that the worker went on after it, again where even
    that was too fast.
    """
    window = measure_window(service, load, scripts, name)
    for attempt in range(ATTEMPTS):
        if window.steady:
            break
        loaded_s = window.load.seconds
        steps_per_s = window.accepted_per_s * loaded_s / (loaded_s + window.drain_s)
        rate = PACE * steps_per_s / load.steps_a_request
        paced = Load(load.mode, load.seconds, load.connections, rate, load.live_runs)
        window = measure_window(service, paced, scripts, f"{name}-p{attempt}")
    return window
