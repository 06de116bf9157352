"""What is measured of alert delivery, by Prometheus's naming rules."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class DeliveryMetrics:
    """The instruments of one process; one object a registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.attempts = Counter(
            "forewarn_webhook_attempts",
            "Attempts to send a webhook, by the class of the answer (2xx … 5xx), or none where none came.",
            ["answer"],
            registry=registry,
        )
        self.attempt_seconds = Histogram(
            "forewarn_webhook_attempt_seconds",
            "Duration of one attempt to send a webhook.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.alert_to_webhook_seconds = Histogram(
            "forewarn_webhook_alert_to_delivered_seconds",
            "Time from an alert's creation to its acceptance by the receiver, retries included.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.settled = Counter(
            "forewarn_webhook_deliveries",
            "Deliveries that came to an end, by state: delivered, failed, expired; acknowledged or lapsed: not sent.",
            ["state"],
            registry=registry,
        )
        self.stale = Counter(
            "forewarn_webhook_stale",
            "Attempts to send a warning about a run that was over by then.",
            registry=registry,
        )
        self.held = Counter(
            "forewarn_webhook_held",
            "Times that a delivery was held back by its webhook's quiet hours.",
            registry=registry,
        )
        self.disabled = Counter(
            "forewarn_webhook_disabled",
            "Webhooks disabled, by reason: gone (the receiver answered 410) or failing (it took nothing for long).",
            ["reason"],
            registry=registry,
        )
        self.fanned_out = Counter(
            "forewarn_webhook_fanned_out",
            "Deliveries made from alerts: one for each webhook that is to get it.",
            registry=registry,
        )
        self.parked = Counter(
            "forewarn_webhook_outbox_parked",
            "Outbox entries that could not be read and were set aside.",
            registry=registry,
        )
        self.pending = Gauge(
            "forewarn_webhook_pending",
            "Deliveries waiting for a first or a further try, in the partitions that this process owns.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.in_flight = Gauge(
            "forewarn_webhook_in_flight",
            "Attempts going on now.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        # A series that begins at 1 has never risen, by Prometheus's account: it would not see the first of them.
        for state in ("delivered", "failed", "expired", "acknowledged", "lapsed"):
            self.settled.labels(state)
        for answer in ("2xx", "4xx", "5xx", "none"):
            self.attempts.labels(answer)
        for reason in ("gone", "failing"):
            self.disabled.labels(reason)


def answer_label(status: int | None) -> str:
    """The label of an attempt: the status's class, or `none` where no answer came."""
    return "none" if status is None else f"{status // 100}xx"
