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
Description = Annotated[str, Field(max_length=500, description="What to call it in listings.")]
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

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"url": "https://hooks.example.com/forewarn", "filters": {"severity": "warning", "agents": ["support"]}}
            ]
        },
    )

    url: Url
    description: Description = ""
    format: BodyFormat = Field("native", description=_FORMAT_TEXT)
    routing_key: RoutingKey | None = Field(None, description="For the format pagerduty: the service's key.")
    filters: Filters = Field(Filters(), description="Which events it gets; all where nothing is said.")
    quiet_hours: QuietHours | None = Field(None, description="When alerts below `critical` are held back; null: never.")


class WebhookChange(BaseModel):
    """What is to become of a webhook's fields: those that are named are replaced."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"quiet_hours": {"zone": "Europe/Berlin", "ranges": [{"start": "22:00", "end": "06:00"}]}},
            ]
        },
    )

    url: Url = ""
    description: Description = ""
    format: BodyFormat = Field("native", description=_FORMAT_TEXT)
    routing_key: RoutingKey = SecretStr("")
    filters: Filters = Field(Filters(), description="Which events it gets; all where nothing is said.")
    quiet_hours: QuietHours | None = Field(None, description="When alerts below `critical` are held back; null: never.")


class Rotation(BaseModel):
    """How a secret is rotated."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"grace_hours": 24}]})

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
    since: datetime = Field(description="Since when.")
    error: str = Field(description="What the last attempt came to.")


class FailingView(BaseModel):
    """How long a receiver has taken nothing."""

    since: datetime = Field(description="Since when.")
    failures: int = Field(description="Attempts that failed since.")
    error: str = Field(description="What the last attempt came to.")


class WebhookView(BaseModel):
    """A registered webhook, without its secrets."""

    id: str = Field(description="Its name in addresses.")
    url: str = Field(description="Where alerts are posted.")
    description: str = Field(description="What it is called.")
    format: BodyFormat = Field(description="The body that the receiver understands.")
    routing_key: str | None = Field(description="Its last four characters; null where there is none.")
    filters: Filters = Field(description="Which events it gets.")
    quiet_hours: QuietHours | None = Field(description="When alerts below `critical` are held back; null: never.")
    created: datetime = Field(description="When it was registered.")
    old_secret_until: datetime | None = Field(description="Until then a secret that was rotated signs too.")
    enabled: bool = Field(description="False while nothing is sent to it.")
    disabled: DisabledView | None = Field(description="Null while it is enabled.")
    failing: FailingView | None = Field(description="Null if its last attempt succeeded, or there was none.")


class CreatedWebhook(WebhookView):
    """A webhook with a new secret."""

    secret: str = Field(description="Verifies the signatures (Standard Webhooks). Shown this once.")


class WebhookList(BaseModel):
    """The project's webhooks, oldest first."""

    webhooks: list[WebhookView] = Field(description="The webhooks.")


class DeliveryView(BaseModel):
    """One event for one webhook, and how far it has come."""

    id: str = Field(description="The `webhook-id` header of every attempt.")
    alert_id: str = Field(description="The alert's id; of another event, the event's own.")
    run_id: str = Field(description="Empty for an event of no run.")
    state: DeliveryState = Field(
        description="`failed`: given up. `expired`: too old. `acknowledged`: somebody had taken note before. "
        "`lapsed`: quiet hours held it back until it was over."
    )
    attempts: int = Field(description="How often it was sent.")
    held: bool = Field(description="Quiet hours have held it back.")
    created: datetime = Field(description="When the event came.")
    next_attempt: datetime | None = Field(description="When it is sent next; null unless it is pending.")
    expires: datetime = Field(description="Not sent after this: a warning that is too old is none.")
    settled: datetime | None = Field(description="When it was delivered or given up; null while it is pending.")
    status: int | None = Field(description="The HTTP status of the last attempt that was recorded.")
    error: str = Field(description="Why the last attempt failed; empty where it did not.")
    latency_ms: float | None = Field(description="How long the last attempt took.")


class DeliveryList(BaseModel):
    """A webhook's deliveries, newest first."""

    deliveries: list[DeliveryView] = Field(description="The deliveries.")


class Redelivery(BaseModel):
    """Which delivery is on its way again."""

    id: str = Field(description="The delivery.")


class Redeliveries(BaseModel):
    """How many deliveries are on their way again."""

    redelivered: int = Field(description="How many.")
    more: bool = Field(description="True if the limit was reached: ask again.")


class TestResult(BaseModel):
    """What one attempt to send a test event came to."""

    delivered: bool = Field(description="True for any 2xx.")
    status: int | None = Field(description="The HTTP status; null where none came.")
    error: str = Field(description="Why it failed; empty where it did not.")
    latency_ms: float = Field(description="How long it took.")


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
