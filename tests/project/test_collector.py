"""The Collector's configuration: its parts, their fields and references, and what it sends. No Collector is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from service.api.otlp_routes import PATHS
from service.core.raw_steps import STEPS_PER_REQUEST

FILE = Path(__file__).parents[2] / "deploy" / "otel-collector.yaml"
# By the Collector's reference: the fields of each component that are used, and no others.
FIELDS = {
    "receivers/otlp": {"protocols"},
    "processors/memory_limiter": {"check_interval", "limit_percentage", "spike_limit_percentage"},
    "processors/batch": {"timeout", "send_batch_size", "send_batch_max_size"},
    "exporters/otlphttp": {"endpoint", "encoding", "compression", "headers", "retry_on_failure", "sending_queue"},
}


@pytest.fixture(scope="module")
def collector() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def test_every_part_is_one_that_the_collector_has_with_fields_that_it_knows(collector: dict[str, Any]) -> None:
    assert set(collector) == {"receivers", "processors", "exporters", "service"}
    for section in ("receivers", "processors", "exporters"):
        for name, fields in collector[section].items():
            assert set(fields) <= FIELDS[f"{section}/{name.partition('/')[0]}"]


def test_every_pipeline_uses_what_is_defined_and_limits_memory_first(collector: dict[str, Any]) -> None:
    pipelines = collector["service"]["pipelines"]
    assert {f"/v1/{signal}" for signal in pipelines} == set(PATHS)
    for pipeline in pipelines.values():
        for section, names in pipeline.items():
            assert set(names) <= set(collector[section])
        assert pipeline["processors"][0] == "memory_limiter"


def test_it_sends_what_the_service_takes(collector: dict[str, Any]) -> None:
    exporter = collector["exporters"]["otlphttp/forewarn"]
    # The exporter itself adds /v1/traces and /v1/logs.
    assert exporter["endpoint"] == "${env:FOREWARN_URL}"
    assert exporter["headers"]["authorization"] == "Bearer ${env:FOREWARN_API_KEY}"
    assert (exporter["encoding"], exporter["compression"]) == ("proto", "gzip")
    assert collector["processors"]["batch"]["send_batch_max_size"] <= STEPS_PER_REQUEST
