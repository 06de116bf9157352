"""docs/live-metrics.md lists what the code exports: every metric, its type, its labels."""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from service.alerts.metrics import DeliveryMetrics
from service.app.quality_gauges import quality_gauges
from service.app.state_gauges import Bounds, State, to_families
from service.core.readiness import Check
from service.otlp.exporting import ExportMetrics
from service.otlp.metrics import OtlpMetrics
from service.records import RunSummary
from service.redis_log.fleet import LiveRuns
from service.telemetry import IngestMetrics, WorkerMetrics, backlog_gauge, parked_gauge
from tests.deploy.watched import FOLDER

PAGE = FOLDER.parents[1] / "docs" / "live-metrics.md"
BOUNDS = Bounds(partitions=2, backlog_steps=10, live_runs=10, gone_ms=1000, version="1")


def look(**changes: object) -> State:
    state = {
        "checks": [Check("redis", True, "")],
        "waits_s": [0.0, 0.0],
        "live": LiveRuns(0, []),
        "alerts": [],
        "reports": [],
        "memory": (1, 0),
        "failures": [],
    }
    return State(**{**state, **changes})  # type: ignore[arg-type]


def exported() -> dict[str, tuple[str, list[str]]]:
    """Name → type and labels, of all that any process registers."""
    registry = CollectorRegistry()
    instruments = [
        one
        for part in (IngestMetrics, WorkerMetrics, DeliveryMetrics, OtlpMetrics, ExportMetrics)
        for one in parts_of(part(registry))
    ]
    found = {}
    for one in instruments:
        name = one._name + ("_total" if one._type == "counter" else "")
        found[name] = (one._type, list(one._labelnames))
    families: list[Metric] = [backlog_gauge([]), parked_gauge([]), *quality_gauges({}), *to_families(look(), BOUNDS)]
    for family in families:
        found[family.name] = (family.type, list(getattr(family, "_labelnames", ())))
    return found


def parts_of(metrics: object) -> list[object]:
    """The instruments of a collection of them, and of those within it."""
    found = []
    for part in vars(metrics).values():
        found += [part] if hasattr(part, "_labelnames") else parts_of(part)
    return found


def test_the_page_lists_every_metric_with_its_type_and_labels() -> None:
    rows = re.findall(r"^\| `(forewarn_\w+)` \| (\w+) \| ([^|]*) \|", PAGE.read_text(), flags=re.MULTILINE)
    told = {
        name: (kind, [label.strip("` ") for label in labels.split(",") if label.strip()]) for name, kind, labels in rows
    }
    assert told == exported()


def test_a_sample_of_live_runs_stands_for_all_of_them() -> None:
    looked_at = [RunSummary(risk=risk, max_score=risk) for risk in (0.05, 0.55)]
    families = {one.name: one for one in to_families(look(live=LiveRuns(10, looked_at)), BOUNDS)}
    buckets = {
        sample.labels["le"]: sample.value
        for sample in families["forewarn_live_run_risk"].samples
        if sample.name.endswith("_bucket")
    }
    assert (buckets["0.1"], buckets["0.5"], buckets["0.6"], buckets["+Inf"]) == (5.0, 5.0, 10.0, 10.0)


def test_a_failing_check_makes_the_process_unready_and_a_warning_does_not() -> None:
    for check, ready in ((Check("redis", False, ""), 0.0), (Check("redis", False, "", warning=True), 1.0)):
        families = {one.name: one for one in to_families(look(checks=[check]), BOUNDS)}
        assert families["forewarn_ready"].samples[0].value == ready


def test_webhooks_are_counted_by_how_they_do() -> None:
    families = {one.name: one for one in to_families(look(failures=[0, 0, 3, None]), BOUNDS)}
    counts = {sample.labels["state"]: sample.value for sample in families["forewarn_webhooks"].samples}
    assert counts == {"active": 2, "failing": 1, "disabled": 1}
