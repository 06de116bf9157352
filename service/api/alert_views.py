"""What the API says of alerts, as documented in /openapi.json."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.api.values import Probability
from service.core.alerting import Severity
from service.core.episodes import AlertState
from service.records import JsonObject


class FieldEffectView(BaseModel):
    """What a field of the step did to the score."""

    field: str = Field(description="The field of the StepView.")
    effect: float = Field(description="Of the raw failure logit, lost when the field is left empty; positive is worse.")


class NgramEffectView(FieldEffectView):
    """What one or two words of the step did to the score."""

    text: str = Field(description="The agent's own words, cut to 80 printable characters: untrusted.")


class SupportView(BaseModel):
    """What the monitor's audit saw in a state, or with an event symbol."""

    runs: int = Field(description="Runs that came by.")
    turns: int = Field(description="Turns that were spent there.")
    failure_rate: Probability | None = Field(description="Share of those turns whose run failed in the end.")
    risk_rate: Probability | None = Field(description="Share of those turns whose run failed within the horizon.")


class StateView(BaseModel):
    """The state of the audit's automaton that the run is in."""

    number: int = Field(description="Its number in the audit.")
    training: SupportView = Field(description="Over the runs that the automaton was learned from.")
    held_out: SupportView = Field(description="Runs that the automaton never learned from.")


class EvidenceView(BaseModel):
    """Why the episode opened."""

    score_before: float = Field(description="The alert statistic one step earlier.")
    failure_probability_before: Probability = Field(description="The failure probability one step earlier.")
    fields: list[FieldEffectView] = Field(description="What fields of the step did, the greatest first.")
    ngrams: list[NgramEffectView] = Field(description="What words of the step did, the greatest first.")
    symbol: int = Field(description="The event symbol that the monitor assigned.")
    symbol_support: SupportView | None = Field(description="Null where the monitor was never audited.")
    state: StateView | None = Field(description="Null where the monitor was never audited, or the run is too long.")


class AcknowledgementView(BaseModel):
    """Somebody has taken note of the alert."""

    at_ms: int = Field(description="When (ms since 1970).")
    by: str = Field(description="Who, as said; may be empty.")
    note: str = Field(description="The remark; may be empty.")


class Acknowledge(BaseModel):
    """Who takes note of an alert, and with what remark."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"by": "ana", "note": "I stop it and ask the customer."}]}
    )

    by: str = Field("", max_length=200, description="Who takes note.")
    note: str = Field("", max_length=2000, description="A remark.")


class AlertView(BaseModel):
    """An alert episode as it opened, and what has become of it."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(description="The same in every listing, stream and delivery.")
    run_id: str = Field(description="The run.")
    episode: int = Field(description="1 for the run's first.")
    state: AlertState = Field(
        description="warning: open; acknowledged: open, and somebody has taken note; recovered: the run is out of it; "
        "closed: the run is over."
    )
    acknowledgement: AcknowledgementView | None = Field(description="Null until somebody takes note.")
    severity: Severity = Field(description="By the failure probability at its opening.")
    position: int = Field(description="The step that opened it.")
    turn: int = Field(description="The turn of that step.")
    risk: Probability = Field(description="P(the run fails within the monitor's horizon of turns) there.")
    risk_before: Probability = Field(description="The risk one step earlier.")
    failure_probability: Probability = Field(description="P(the run fails in the end) there.")
    score: float = Field(description="The alert statistic there.")
    threshold: float = Field(description="An alert is a score above this.")
    evidence: EvidenceView | None = Field(description="Why it opened; null where the monitor could not tell.")
    monitor_id: str = Field(description="The monitor that warned.")
    agent: str = Field(description="The run's agent.")
    task: str = Field(description="The run's task.")
    tags: dict[str, str] = Field(description="The run's tags.")
    link: str = Field(description="Where the run is shown; without a host where FOREWARN_PUBLIC_URL is not set.")
    created_ms: int = Field(description="When it opened (ms since 1970).")


class AlertPage(BaseModel):
    """Alerts, newest first."""

    alerts: list[AlertView] = Field(description="The alerts of this page.")
    next: str | None = Field(description="Give it as `?after=` for the next page; null on the last.")


def to_alert_view(alert: JsonObject) -> JsonObject:
    """An alert as `AlertView`."""
    return {name: value for name, value in alert.items() if name not in {"type", "project"}}
