"""What is counted of OpenTelemetry's way in."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class OtlpMetrics:
    """Instruments of an API process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.items = Counter(
            "forewarn_otlp_items",
            "Spans and log records received, by what became of them: stored, duplicate, rejected, outcome, or passed "
            "over (accepted, and nothing that is scored).",
            ["signal", "result"],
            registry=registry,
        )
        self.refused = Counter(
            "forewarn_otlp_requests_refused",
            "Exports refused as a whole, by HTTP status.",
            ["status"],
            registry=registry,
        )
