"""What the routes over webhooks take and show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from service.alerts.health import Health
from service.alerts.policy import DeliveryState
from service.alerts.quiet import QuietHours
from service.alerts.records import Delivery
from service.alerts.targets import MAX_URL_CHARS
from service.alerts.webhook import BodyFormat, DisabledReason, Filters, Webhook

Url = Annotated[
    str,
    Field(min_length=1, max_length=MAX_URL_CHARS, description="Where alerts are to be posted: http or https."),
]
Description = Annotated[str, Field(max_length=500)]
RoutingKey = Annotated[
    SecretStr,
    Field(
        min_length=16,
        max_length=64,
        description="For the format pagerduty: the integration key of the service to alert. Never shown again.",
    ),
]
_FORMAT_TEXT = (
    "The body that the receiver understands: native (Standard Webhooks), slack, alertmanager (version 4) or pagerduty "
    "(Events v2)."
)


class NewWebhook(BaseModel):
    """A target to register."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    description: Description = ""
    format: BodyFormat = Field("native", description=_FORMAT_TEXT)
    routing_key: RoutingKey | None = None
    filters: Filters = Filters()
    quiet_hours: QuietHours | None = None


class WebhookChange(BaseModel):
    """What is to become of a webhook's fields: those that are named are replaced."""

    model_config = ConfigDict(extra="forbid")

    url: Url = ""
    description: Description = ""
    format: BodyFormat = Field("native", description=_FORMAT_TEXT)
    routing_key: RoutingKey = SecretStr("")
    filters: Filters = Filters()
    quiet_hours: QuietHours | None = None


class Rotation(BaseModel):
    """How a secret is rotated."""

    model_config = ConfigDict(extra="forbid")

    grace_hours: float | None = Field(
        None,
        strict=True,
        ge=0,
        le=24 * 90,
        description="How long the old secret signs beside the new one; null: FOREWARN_WEBHOOK_GRACE_HOURS. "
        "0: no longer, and none that was rotated before either.",
    )


class DisabledView(BaseModel):
    """Why nothing is sent to a webhook."""

    reason: DisabledReason = Field(
        description="gone: its receiver answered 410. failing: its receiver took nothing for long."
    )
    since: datetime
    error: str = Field(description="What the last attempt came to.")


class FailingView(BaseModel):
    """How long a receiver has taken nothing."""

    since: datetime
    failures: int
    error: str


class WebhookView(BaseModel):
    """A registered webhook, without its secrets."""

    id: str
    url: str
    description: str
    format: BodyFormat
    routing_key: str | None = Field(description="Its last four characters; null where there is none.")
    filters: Filters
    quiet_hours: QuietHours | None
    created: datetime
    old_secret_until: datetime | None = Field(description="Until then a secret that was rotated signs too.")
    enabled: bool
    disabled: DisabledView | None = Field(description="Null while it is enabled.")
    failing: FailingView | None = Field(description="Null if its last attempt succeeded, or there was none.")


class CreatedWebhook(WebhookView):
    """A webhook with a new secret."""

    secret: str = Field(description="Verifies the signatures (Standard Webhooks). Shown this once.")


class WebhookList(BaseModel):
    """The project's webhooks, oldest first."""

    webhooks: list[WebhookView]


class DeliveryView(BaseModel):
    """One event for one webhook, and how far it has come."""

    id: str = Field(description="The `webhook-id` header of every attempt.")
    alert_id: str = Field(description="The alert's id; of another event, the event's own.")
    run_id: str = Field(description="Empty for an event of no run.")
    state: DeliveryState
    attempts: int
    held: bool = Field(description="Quiet hours have held it back.")
    created: datetime
    next_attempt: datetime | None
    expires: datetime = Field(description="Not sent after this: a warning that is too old is none.")
    settled: datetime | None
    status: int | None = Field(description="The HTTP status of the last attempt that was recorded.")
    error: str
    latency_ms: float | None


class DeliveryList(BaseModel):
    """A webhook's deliveries, newest first."""

    deliveries: list[DeliveryView]


class Redelivery(BaseModel):
    """Which delivery is on its way again."""

    id: str


class Redeliveries(BaseModel):
    """How many deliveries are on their way again."""

    redelivered: int
    more: bool = Field(description="True if the limit was reached: ask again.")


class TestResult(BaseModel):
    """What one attempt to send a test event came to."""

    delivered: bool
    status: int | None
    error: str
    latency_ms: float


def to_view(webhook: Webhook, health: Health, now_ms: int) -> WebhookView:
    """A webhook as it is shown."""
    disabled = webhook.disabled
    old_until_ms = [one.until_ms for one in webhook.retiring if one.until_ms > now_ms]
    return WebhookView(
        id=webhook.id,
        url=webhook.url,
        description=webhook.description,
        format=webhook.format,
        routing_key=f"…{webhook.routing_key[-4:]}" if webhook.routing_key else None,
        filters=webhook.filters,
        quiet_hours=webhook.quiet_hours,
        created=_at(webhook.created_ms),
        old_secret_until=_at(max(old_until_ms)) if old_until_ms else None,
        enabled=disabled is None,
        disabled=None
        if disabled is None
        else DisabledView(reason=disabled.reason, since=_at(disabled.since_ms), error=disabled.error),
        failing=FailingView(since=_at(health.failing_since_ms), failures=health.failures, error=health.error)
        if health.failures
        else None,
    )


def to_delivery_view(delivery: Delivery) -> DeliveryView:
    """A delivery as it is shown."""
    return DeliveryView(
        id=delivery.id,
        alert_id=delivery.alert_id,
        run_id=delivery.run_id,
        state=delivery.state,
        attempts=delivery.sends,
        held=delivery.held,
        created=_at(delivery.created_ms),
        next_attempt=_at(delivery.next_ms) if delivery.state == "pending" else None,
        expires=_at(delivery.expires_ms),
        settled=_at(delivery.settled_ms) if delivery.settled_ms and delivery.state != "pending" else None,
        status=delivery.status,
        error=delivery.error,
        latency_ms=delivery.latency_ms,
    )


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
