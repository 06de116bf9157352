"""What the routes of OpenTelemetry need beside the API's surroundings."""

from __future__ import annotations

from dataclasses import dataclass

from service.otlp.metrics import OtlpMetrics
from service.otlp.outcomes import OutcomeRule
from service.otlp.reading import Reading
from service.ports import TraceRuns


@dataclass(frozen=True, slots=True)
class OtlpDeps:
    """How spans and log records are read, whose runs they are of, and what is counted of them."""

    traces: TraceRuns
    reading: Reading
    outcomes: OutcomeRule
    metrics: OtlpMetrics
