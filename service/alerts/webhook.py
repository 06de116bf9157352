"""The record of a webhook: where alerts go, in whose words, which of them, and when not."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from service.alerts.quiet import QuietHours
from service.core.alerting import Severity

FORMAT = 2
BodyFormat = Literal["native", "slack", "alertmanager", "pagerduty"]
EventType = Literal["run.alert", "webhook.disabled", "monitor.flagged"]
DisabledReason = Literal["gone", "failing"]
"""`gone`: the receiver answered 410. `failing`: it took nothing for long."""

RANKS: Mapping[str, int] = {"info": 0, "warning": 1, "critical": 2}
RETIRING_AT_MOST = 2

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Filters(BaseModel):
    """Which events a webhook gets. What is left empty admits all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    monitors: tuple[Name, ...] = Field((), max_length=50, description="Ids of monitors; none: all.")
    agents: tuple[Name, ...] = Field((), max_length=200, description="Names of agents; none: all.")
    severity: Severity = Field("info", description="Alerts of this severity and above.")
    events: tuple[EventType, ...] = Field(
        ("run.alert", "webhook.disabled", "monitor.flagged"), min_length=1, max_length=3, description="Kinds of events."
    )

    def admit(self, event_type: str, data: Mapping[str, Any]) -> bool:
        """True if the webhook is to get this event. Agents are asked for alerts alone; of a disabled one nothing is."""
        if event_type not in self.events:
            return False
        if event_type == "webhook.disabled":
            return True
        if self.monitors and data.get("monitor_id") not in self.monitors:
            return False
        if event_type == "run.alert" and self.agents and data.get("agent") not in self.agents:
            return False
        return severity_rank(data) >= RANKS[self.severity]


def severity_rank(data: Mapping[str, Any]) -> int:
    """How bad an event is, 0 … 2. What does not say is as bad as can be: it must not be held back or left out."""
    return RANKS.get(str(data.get("severity")), RANKS["critical"])


@dataclass(frozen=True, slots=True)
class RetiringSecret:
    """A secret that was replaced, and signs beside the new one until `until_ms`."""

    secret: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Disabled:
    """Why nothing is sent to a webhook any more, since when, and the last answer."""

    reason: DisabledReason
    since_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """One target for a project's alerts. Secrets are `whsec_…`."""

    id: str
    project: str
    url: str
    description: str
    secret: str
    created_ms: int
    retiring: tuple[RetiringSecret, ...] = ()
    format: BodyFormat = "native"
    routing_key: str = ""
    """PagerDuty's key of the service that is to be alerted: a secret."""
    filters: Filters = field(default_factory=Filters)
    quiet_hours: QuietHours | None = None
    disabled: Disabled | None = None
    enabled_ms: int = 0
    """When it was last enabled again, 0 for never: an attempt of before says nothing of it now."""

    def signing_secrets(self, now_ms: int) -> list[str]:
        """The secrets that sign now, the current one first."""
        return [self.secret, *(one.secret for one in self.retiring if one.until_ms > now_ms)]

    def rotated(self, now_ms: int, grace_ms: int) -> Webhook:
        """With a new secret. The old one signs too for `grace_ms`; with 0 every old one is out at once."""
        kept = [one for one in self.retiring if one.until_ms > now_ms] if grace_ms else []
        if grace_ms:
            kept.append(RetiringSecret(self.secret, now_ms + grace_ms))
        return replace(self, secret=new_secret(), retiring=tuple(kept[-RETIRING_AT_MOST:]))

    def to_json(self) -> bytes:
        """The record as it is stored, with its format version."""
        return orjson.dumps(
            {
                "format": FORMAT,
                "id": self.id,
                "project": self.project,
                "url": self.url,
                "description": self.description,
                "secrets": [self.secret],
                "retiring": [{"secret": one.secret, "until_ms": one.until_ms} for one in self.retiring],
                "created_ms": self.created_ms,
                "body": self.format,
                "routing_key": self.routing_key,
                "filters": self.filters.model_dump(mode="json"),
                "quiet_hours": None if self.quiet_hours is None else self.quiet_hours.model_dump(mode="json"),
                "disabled": None
                if self.disabled is None
                else {"reason": self.disabled.reason, "since_ms": self.disabled.since_ms, "error": self.disabled.error},
                "enabled_ms": self.enabled_ms,
            }
        )

    @classmethod
    def from_json(cls, raw: bytes | str) -> Webhook:
        """The webhook in a stored record, of this format or the first, which knew neither rotation nor filters."""
        record = orjson.loads(raw)
        disabled, quiet_hours = record.get("disabled"), record.get("quiet_hours")
        return cls(
            id=record["id"],
            project=record["project"],
            url=record["url"],
            description=record["description"],
            secret=record["secrets"][0],
            created_ms=record["created_ms"],
            retiring=tuple(RetiringSecret(one["secret"], one["until_ms"]) for one in record.get("retiring", ())),
            format=record.get("body", "native"),
            routing_key=record.get("routing_key", ""),
            filters=Filters.model_validate(record.get("filters", {})),
            quiet_hours=None if quiet_hours is None else QuietHours.model_validate(quiet_hours),
            disabled=None
            if disabled is None
            else Disabled(disabled["reason"], disabled["since_ms"], disabled["error"]),
            enabled_ms=record.get("enabled_ms", 0),
        )


def new_secret() -> str:
    """A fresh signing secret: `whsec_` and 32 random bytes in base64, as Standard Webhooks asks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
