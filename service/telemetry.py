"""What the service measures of itself, by Prometheus's naming rules, summed over all its processes.

In a child process the supervisor has set PROMETHEUS_MULTIPROC_DIR before `prometheus_client` was imported; then every
process writes its own
files there, and whoever is asked for /metrics reads them all.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from monitors.adapter.coverage import FIELDS, FILLED_COUNTER, STEPS_COUNTER, TRUNCATED_COUNTER, Coverage

MULTIPROC = "PROMETHEUS_MULTIPROC_DIR"
_LATENCY = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class IngestMetrics:
    """Instruments of an API process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.accepted = Counter("forewarn_steps_accepted", "Steps stored.", registry=registry)
        self.duplicates = Counter(
            "forewarn_steps_duplicate", "Steps that were known already by their client id.", registry=registry
        )
        self.refused = Counter(
            "forewarn_step_requests_refused",
            "Requests with steps that were refused, by problem.",
            ["problem"],
            registry=registry,
        )
        # A series that begins at 1 has never risen, by Prometheus's account: these are what alerts look at.
        for problem in ("Overloaded", "Crowded", "LogUnavailable", "NoMonitor"):
            self.refused.labels(problem)
        self.rejected = Counter(
            "forewarn_steps_rejected",
            "Steps that were refused beside others that were taken, by problem.",
            ["problem"],
            registry=registry,
        )
        self.acknowledged = Counter(
            "forewarn_alerts_acknowledged", "Alert episodes that somebody has taken note of.", registry=registry
        )
        self.overruns = Counter(
            "forewarn_redaction_overruns",
            "Values that were masked whole because a project's patterns took too long over them.",
            registry=registry,
        )
        self.unentitled = Counter(
            "forewarn_requests_unentitled",
            "Requests that were refused before they were read: no good key (Unauthenticated), one of too little scope "
            "(Forbidden), too many wrong ones (TooManyGuesses).",
            ["problem"],
            registry=registry,
        )
        self.limited = Counter(
            "forewarn_steps_limited",
            "Steps of requests that were refused because their project had sent as much as it may.",
            ["project"],
            registry=registry,
        )
        self.tokens = Counter(
            "forewarn_limit_tokens",
            "Tokens of projects' limits that processes took out of Redis, a portion at once.",
            registry=registry,
        )
        self.append_seconds = Histogram(
            "forewarn_append_seconds", "Time to store a request's steps durably.", buckets=_LATENCY, registry=registry
        )


class BatchHistogram(Histogram):
    """A histogram that takes many values at once: one by one they would cost 2 µs each, in a process of several."""

    def observe_many(self, values: Sequence[float]) -> None:
        """Count each value. Of a labelled child."""
        counts: dict[int, int] = {}
        for value in values:
            bucket = bisect_left(self._upper_bounds, value)
            counts[bucket] = counts.get(bucket, 0) + 1
        self._sum.inc(sum(values))
        for bucket, count in counts.items():
            self._buckets[bucket].inc(count)


class ShadowMetrics:
    """Instruments of monitors that score runs beside their own. `role`: `shadow`, or `own` for the runs' own monitor
    over the same steps."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"forewarn_shadow_{name}", text, ["monitor", *labels], registry=registry)

        self.runs = counter("runs", "Runs that a shadow began to score.")
        self.steps = counter("steps", "Raw steps that a shadow scored.")
        self.alerts = counter("alerts", "Episodes over a shadow's steps: its own would-be ones, and real ones.", "role")
        self.warned = counter(
            "disagreeing_steps", "Steps at which one of the two was in an episode and the other not: which one.", "role"
        )
        self.compared = counter("compared_steps", "Steps that both scored.")
        self.difference = counter(
            "absolute_difference", "Sum over compared steps of how far the failure probabilities lie apart."
        )
        self.dropped = counter("dropped_runs", "Runs that a shadow scores no longer, because it failed.")

    def add(self, monitor_id: str, changes: Mapping[str, float]) -> None:
        """Count what a batch changed of one run's shadow, by `shadowing.COUNTS`."""
        for name, counter, roles in (
            ("runs", self.runs, ()),
            ("steps", self.steps, ()),
            ("alerts", self.alerts, ("shadow",)),
            ("own_alerts", self.alerts, ("own",)),
            ("only_shadow_warned", self.warned, ("shadow",)),
            ("only_own_warned", self.warned, ("own",)),
            ("compared", self.compared, ()),
            ("absolute_difference", self.difference, ()),
            ("dropped", self.dropped, ()),
        ):
            if name in changes:
                counter.labels(monitor_id, *roles).inc(changes[name])


class WorkerMetrics:
    """Instruments of a worker process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.scored = Counter(
            "forewarn_steps_scored",
            "Steps scored, by monitor, device, and whether a case of the adapter knew them.",
            ["monitor", "device", "known"],
            registry=registry,
        )
        self.adapter_steps = Counter(
            STEPS_COUNTER,
            'Raw steps by monitor and by the case of its adapter that read them ("unknown": none did).',
            ["monitor", "case"],
            registry=registry,
        )
        self.adapter_filled = Counter(
            FILLED_COUNTER, "Raw steps that filled a field of the StepView.", ["monitor", "field"], registry=registry
        )
        self.adapter_truncated = Counter(
            TRUNCATED_COUNTER,
            "Raw steps of which a limit of the adapter cut something off.",
            ["monitor"],
            registry=registry,
        )
        self.batch_steps = Histogram("forewarn_batch_steps", "Steps of one batch.", buckets=_SIZES, registry=registry)
        self.event_to_score_seconds = BatchHistogram(
            "forewarn_event_to_score_seconds",
            "Time from a step's arrival at the API to its committed score.",
            ["device"],
            buckets=_LATENCY,
            registry=registry,
        )
        self.alerts = Counter("forewarn_alerts", "Alert episodes opened.", ["monitor", "severity"], registry=registry)
        self.hidden_alerts = Counter(
            "forewarn_alerts_hidden",
            "Alert episodes of control runs: recorded, neither delivered nor shown.",
            ["monitor"],
            registry=registry,
        )
        self.parked = Counter(
            "forewarn_steps_parked", "Steps that could not be scored and were set aside.", registry=registry
        )
        self.archived = Counter("forewarn_steps_archived", "Scored steps written to the archive.", registry=registry)
        self.archived_endings = Counter(
            "forewarn_endings_archived",
            "Ends, expiries and outcomes of runs written to the archive.",
            registry=registry,
        )
        self.archive_failures = Counter(
            "forewarn_archive_failures", "Writes to the archive that failed and are tried again.", registry=registry
        )
        self.shadows = ShadowMetrics(registry)
        self.lost = Counter(
            "forewarn_partitions_lost", "Partitions given up because a lease, or Redis, was lost.", registry=registry
        )

    def count_coverage(self, monitor_id: str, coverage: Coverage) -> None:
        """Add what a monitor's adapter made of a batch. A new monitor's fields all appear at once, at 0 if need be."""
        for case, steps in coverage.by_case().items():
            self.adapter_steps.labels(monitor_id, case).inc(steps)
        for name, filled in zip(FIELDS, coverage.filled, strict=True):
            self.adapter_filled.labels(monitor_id, name).inc(filled)
        self.adapter_truncated.labels(monitor_id).inc(coverage.truncated)


class _Gauges(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def backlog_gauge(backlog: Iterable[int]) -> GaugeMetricFamily:
    """The steps that wait to be scored, by partition. It counts what is in Redis, so it is right whatever the number
    of processes."""
    family = GaugeMetricFamily("forewarn_backlog_steps", "Steps stored and not scored yet.", labels=["partition"])
    for partition, steps in enumerate(backlog):
        family.add_metric([str(partition)], steps)
    return family


def parked_gauge(counts: Iterable[int]) -> GaugeMetricFamily:
    """The steps that could not be scored and lie aside, by partition: `forewarn parked list` shows them."""
    family = GaugeMetricFamily(
        "forewarn_parked_steps", "Steps set aside that nobody has released or dropped.", labels=["partition"]
    )
    for partition, steps in enumerate(counts):
        family.add_metric([str(partition)], steps)
    return family


def render_metrics(own: CollectorRegistry, gauges: Sequence[Metric]) -> bytes:
    """The text of /metrics: all processes of this service where there are several, else this one."""
    registry = CollectorRegistry()
    if os.environ.get(MULTIPROC):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(own)
    registry.register(_Gauges(gauges))
    return generate_latest(registry)
