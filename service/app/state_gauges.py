"""What /metrics says of the service's state, read out of Redis at the scrape: bounded in size, in age and in time.

No series is named by a run. Projects, monitors and partitions are bounded; alerts and runs are counted over a bounded
look."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric

from service.core.readiness import Check
from service.errors import TransientError
from service.records import JsonObject, RunRecord, WorkerReport
from service.redis_log.fleet import LiveRuns

log = logging.getLogger(__name__)

# Scrapers come every few seconds, several at once in a cluster: they get the same look.
MAX_AGE_S = 5.0
# A scrape must not wait for a Redis that is slow: without these figures it still has the counters.
WITHIN_S = 3.0
RISK_BOUNDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
WEBHOOK_STATES = ("active", "failing", "disabled")

Alerts = Sequence[tuple[JsonObject, RunRecord | None]]


@dataclass(frozen=True, slots=True)
class State:
    """One look. `failures`: of each webhook of any project failures in a row, None where it is disabled."""

    checks: Sequence[Check]
    waits_s: Sequence[float]
    live: LiveRuns
    alerts: Alerts
    reports: Sequence[WorkerReport]
    memory: tuple[int, int]
    failures: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the service was told to keep to: for figures beside their limits."""

    partitions: int
    backlog_steps: int
    live_runs: int
    gone_ms: int
    version: str


class StateGauges:
    """The gauges of the latest look, at most MAX_AGE_S old. `read` looks."""

    def __init__(self, read: Callable[[], Awaitable[State]], bounds: Bounds) -> None:
        self._read = read
        self._bounds = bounds
        self._looking = asyncio.Lock()
        self._looked_s = float("-inf")
        self._families: list[Metric] = []

    async def families(self) -> list[Metric]:
        """The gauges. While Redis does not answer in time: that this process is not ready, and nothing else."""
        async with self._looking:
            if time.monotonic() - self._looked_s > MAX_AGE_S:
                try:
                    async with asyncio.timeout(WITHIN_S):
                        self._families = to_families(await self._read(), self._bounds)
                except (TransientError, TimeoutError) as error:
                    log.debug("the service's state is not in /metrics: %s", error)
                    self._families = [_plain("ready", READY, 0.0), build_gauge(self._bounds.version)]
                self._looked_s = time.monotonic()
            return self._families


READY = "1 if every check of /readyz that counts is passed, else 0."


def to_families(state: State, bounds: Bounds) -> list[Metric]:
    """A look's gauges."""
    now_ms = time.time_ns() // 1_000_000
    alive = [report for report in state.reports if report.seen_ms >= now_ms - bounds.gone_ms]
    owned = {partition for report in alive for partition in report.partitions}
    used, most = state.memory
    ready = all(check.ok or check.warning for check in state.checks)
    return [
        build_gauge(bounds.version),
        _plain("ready", READY, float(ready)),
        _labelled(
            "check_ok",
            "1 for each check of /readyz that is passed, else 0.",
            ["check"],
            {(check.name,): float(check.ok) for check in state.checks},
        ),
        _labelled(
            "backlog_seconds",
            "How long the step that is to be scored next has waited; 0 where none waits.",
            ["partition"],
            {(str(number),): waited for number, waited in enumerate(state.waits_s)},
        ),
        _plain("backlog_limit_steps", "Steps of one partition from which on it refuses more.", bounds.backlog_steps),
        _plain("partitions", "Partitions that there are.", bounds.partitions),
        _plain("partitions_owned", "Partitions that a live worker owns.", len(owned)),
        _labelled("workers", "Worker processes that are alive.", ["device"], _by_device(alive)),
        _plain("redis_used_bytes", "What Redis holds; of a cluster its fullest master.", used),
        _plain("redis_limit_bytes", "Its maxmemory; 0 where there is none, or nobody tells.", most),
        _plain("live_runs", "Runs that have neither ended nor expired.", state.live.runs),
        _plain("live_runs_limit", "From so many live runs on no new one is taken.", bounds.live_runs),
        risk_histogram(state.live),
        _labelled(
            "newest_alerts",
            "The newest 300 alerts, by what has become of them.",
            ["project", "severity", "state"],
            _by_state(state.alerts),
        ),
        *lead_gauges(state.alerts),
        _labelled(
            "webhooks",
            "Webhooks: active, failing (its last attempt failed) or disabled.",
            ["state"],
            _by_health(state.failures),
        ),
    ]


def build_gauge(version: str) -> Metric:
    """Which version answers."""
    return _labelled("build_info", "1, with the version of the service.", ["version"], {(version,): 1.0})


def risk_histogram(live: LiveRuns) -> Metric:
    """How the risks of live runs lie now. Of many runs a sample was looked at: each stands for several then."""
    risks = [summary.risk for summary in live.looked_at if summary.max_score is not None]
    weight = live.runs / len(live.looked_at) if live.looked_at else 0.0
    counts = Counter(bisect_left(RISK_BOUNDS, risk) for risk in risks)
    below, buckets = 0.0, []
    for place, bound in enumerate((*RISK_BOUNDS, float("inf"))):
        below += weight * counts.get(place, 0)
        buckets.append(("+Inf" if bound == float("inf") else str(bound), below))
    return GaugeHistogramMetricFamily(
        "forewarn_live_run_risk",
        "Live runs that have a score, by their risk now; estimated from 1,000 of them where there are more.",
        buckets=buckets,
        gsum_value=weight * sum(risks),
    )


def lead_gauges(alerts: Alerts) -> list[Metric]:
    """How many turns before their end runs that failed were warned, by project and monitor: the median over the first
    alerts among those looked at."""
    found: dict[tuple[str, ...], list[int]] = {}
    for alert, run in alerts:
        if run is not None and run.success is False and not run.intervened and alert["episode"] == 1:
            lead = max(0, run.summary.turn - alert["turn"])
            found.setdefault((alert["project"], alert["monitor_id"]), []).append(lead)
    labels = ["project", "monitor"]
    medians = {pair: statistics.median(leads) for pair, leads in found.items()}
    runs = {pair: float(len(leads)) for pair, leads in found.items()}
    return [
        _labelled(
            "lead_median_turns",
            "Turns from a failed run's first alert to its last turn: the median over the newest 300 alerts.",
            labels,
            medians,
        ),
        _labelled("lead_runs", "Failed runs that this median is over.", labels, runs),
    ]


def _by_device(alive: Sequence[WorkerReport]) -> dict[tuple[str, ...], float]:
    return {(device,): float(count) for device, count in Counter(report.device for report in alive).items()}


def _by_state(alerts: Alerts) -> dict[tuple[str, ...], float]:
    counts = Counter((alert["project"], alert.get("severity", ""), alert["state"]) for alert, _ in alerts)
    return {labels: float(count) for labels, count in counts.items()}


def _by_health(failures: Sequence[int | None]) -> dict[tuple[str, ...], float]:
    counts = Counter("disabled" if count is None else "failing" if count else "active" for count in failures)
    return {(state,): float(counts[state]) for state in WEBHOOK_STATES}


def _plain(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"forewarn_{name}", text, value=value)


def _labelled(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"forewarn_{name}", text, labels=list(labels))
    for one, value in values.items():
        family.add_metric(list(one), value)
    return family
