"""What the API says and hears, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from service.core.alerting import Severity
from service.core.episodes import AlertState
from service.core.runs import run_state
from service.records import JsonObject, RunRecord, ScoreRecord

Probability = Annotated[float, Field(ge=0, le=1)]
# Documented here, checked by `core.ingest.check_run_id`, which says in words what is allowed.
RUN_ID_SCHEMA: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._~:@#+=,-]{0,199}$",
}
RunId = Annotated[str, Path(json_schema_extra=RUN_ID_SCHEMA)]
RAW_STEP_SCHEMA: dict[str, Any] = {"oneOf": [{"type": "object"}, {"type": "string"}]}
RunState = Literal["ok", "warning", "acknowledged", "recovered", "ended", "expired", "succeeded", "failed"]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = Field(
        None, description="What is wrong where: a JSON pointer into the body, or a parameter."
    )
    rejected: list[dict[str, Any]] | None = Field(
        None, description="Of a request with several steps of which none was taken: each with its reason."
    )


class StepAnswer(BaseModel):
    """One step of the request. What follows `scored` is there once the step is scored."""

    position: int | None = Field(
        None, ge=0, description="The step's place in its run, 0 for the first; null for a step that came early."
    )
    early: bool | None = Field(
        None, description="True if steps before it by `seq` are missing: it is stored, and waits for them a while."
    )
    rejected: bool | None = Field(None, description="True if the step was not taken: `rejected` says why.")
    duplicate: bool | None = Field(None, description="True if the step was known already: nothing was stored.")
    scored: bool | None = Field(None, description="With ?wait=score: whether the score came within the time.")
    parked: bool | None = Field(None, description="True if the step could not be scored and was set aside.")
    turn: int | None = Field(None, description="Agent actions so far.")
    risk: Probability | None = Field(None, description="P(the run fails within the monitor's horizon of turns).")
    failure_probability: Probability | None = Field(None, description="P(the run fails in the end).")
    score: float | None = Field(None, description="The alert statistic; higher is worse.")
    symbol: int | None = Field(None, description="The event symbol that the monitor assigned.")
    state: Literal["ok", "warning"] | None = None
    alert: bool | None = Field(None, description="True if this step opened an alert episode.")
    known: bool | None = Field(None, description="False if the adapter did not know this kind of step.")


class Rejection(BaseModel):
    """A step that was not taken, while others of its request were."""

    index: int = Field(ge=0, description="The step's place in the request, 0 for the first.")
    status: int = Field(description="What a request with this step alone would have been answered.")
    type: str
    detail: str
    pointer: str | None = Field(None, description="A JSON pointer to what is wrong.")
    retry_after_s: int | None = Field(None, description="Where sending it again later may work.")


class StepsAnswer(BaseModel):
    """What became of a request's steps. Where none was taken the answer is a problem instead."""

    run_id: str | None = Field(None, description="The run in the address, if any.")
    accepted: int = Field(description="Steps stored by this request.")
    duplicates: int = Field(description="Steps that had been stored before.")
    rejected: list[Rejection]
    steps: list[StepAnswer] = Field(description="Each step of the request, in its order.")


class Envelope(BaseModel):
    """A raw step with what is known about it beside it."""

    step: dict[str, Any] | str
    id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="A repeat of it within the run's last 1,024 steps is a duplicate.",
    )
    seq: int | None = Field(
        None,
        ge=0,
        description="The step's number in the run as the sender counts, from 0: steps out of order are put in "
        "order. Names the step where there is no id.",
    )


class Line(Envelope):
    """A line of NDJSON: a raw step and the run that it belongs to."""

    run_id: str = Field(min_length=1, max_length=200)


class RunStart(BaseModel):
    """What may be said of a run."""

    model_config = ConfigDict(extra="forbid")

    agent: str | None = Field(None, max_length=200)
    task: str | None = Field(None, max_length=2000)
    tags: dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=500)]] | None = Field(
        None, max_length=32
    )


class RunStarted(BaseModel):
    """What became of what was said of a run."""

    run_id: str
    created: bool = Field(description="True if the run was not known before.")


class Outcome(BaseModel):
    """How a run went."""

    model_config = ConfigDict(extra="forbid")

    success: bool = Field(strict=True)
    intervened: bool | None = Field(None, strict=True, description="Somebody acted on the warning.")


class OutcomeSaid(BaseModel):
    """The outcome of a run as it holds now."""

    run_id: str
    success: bool | None
    intervened: bool | None
    changed: bool = Field(description="False if it was so before.")


class RunView(BaseModel):
    """A run, without its steps."""

    run_id: str
    state: RunState = Field(
        description="While it is live: ok, warning or acknowledged inside an alert episode, recovered after one, "
        "expired after long without a step (another brings it back). Then ended (without an outcome), succeeded or "
        "failed."
    )
    created_ms: int
    updated_ms: int
    ended_ms: int | None
    success: bool | None
    intervened: bool | None
    outcome_ms: int | None = Field(description="When the outcome that holds was said.")
    control: bool | None = Field(
        description="Whether nothing was told of its alerts (`control_ratio`); null until it has an outcome."
    )
    hidden_alerts: int | None = Field(description="A control run's alert episodes; null until it has an outcome.")
    agent: str
    task: str
    tags: dict[str, str]
    monitor_id: str
    steps: int = Field(description="Steps accepted.")
    scored: int = Field(description="Steps scored or set aside.")
    parked: int = Field(description="Steps set aside.")
    unknown: int = Field(description="Steps of a kind that the adapter does not know.")
    turn: int
    risk: Probability | None
    failure_probability: Probability | None
    score: float | None
    max_risk: Probability | None
    max_failure_probability: Probability | None
    max_score: float | None
    alerts: int


class ScoreView(BaseModel):
    """One scored step."""

    position: int
    turn: int
    risk: Probability
    failure_probability: Probability
    score: float
    symbol: int
    state: Literal["ok", "warning"]
    alert: bool
    known: bool
    parked: bool
    received_ms: int


class FieldEffectView(BaseModel):
    """What a field of the step did to the score."""

    field: str
    effect: float = Field(description="Of the raw failure logit, lost when the field is left empty; positive is worse.")


class NgramEffectView(FieldEffectView):
    """What one or two words of the step did to the score."""

    text: str = Field(description="The agent's own words, cut to 80 printable characters: untrusted.")


class SupportView(BaseModel):
    """What the monitor's audit saw in a state, or with an event symbol."""

    runs: int
    turns: int
    failure_rate: Probability | None = Field(description="Share of those turns whose run failed in the end.")
    risk_rate: Probability | None = Field(description="Share of those turns whose run failed within the horizon.")


class StateView(BaseModel):
    """The state of the audit's automaton that the run is in."""

    number: int
    training: SupportView
    held_out: SupportView = Field(description="Runs that the automaton never learned from.")


class EvidenceView(BaseModel):
    """Why the episode opened."""

    score_before: float
    failure_probability_before: Probability
    fields: list[FieldEffectView]
    ngrams: list[NgramEffectView]
    symbol: int = Field(description="The event symbol that the monitor assigned.")
    symbol_support: SupportView | None = Field(description="Null where the monitor was never audited.")
    state: StateView | None = Field(description="Null where the monitor was never audited, or the run is too long.")


class AcknowledgementView(BaseModel):
    """Somebody has taken note of the alert."""

    at_ms: int
    by: str
    note: str


class Acknowledge(BaseModel):
    """Who takes note of an alert, and with what remark."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field("", max_length=200)
    note: str = Field("", max_length=2000)


class AlertView(BaseModel):
    """An alert episode as it opened, and what has become of it."""

    model_config = ConfigDict(extra="allow")

    id: str
    run_id: str
    episode: int
    state: AlertState = Field(
        description="warning: open; acknowledged: open, and somebody has taken note; recovered: the run is out of it; "
        "closed: the run is over."
    )
    acknowledgement: AcknowledgementView | None
    severity: Severity = Field(description="By the failure probability at its opening.")
    position: int
    turn: int
    risk: Probability
    risk_before: Probability
    failure_probability: Probability
    score: float
    threshold: float
    evidence: EvidenceView | None
    monitor_id: str
    agent: str
    task: str
    tags: dict[str, str]
    link: str = Field(description="Where the run is shown; without a host where FOREWARN_PUBLIC_URL is not set.")
    created_ms: int


class ShadowView(BaseModel):
    """What a monitor that scores the run beside its own says of it. It alerts nobody."""

    monitor_id: str
    steps: int = Field(description="Raw steps that it scored.")
    alerts: int = Field(description="Episodes that it would have opened.")
    own_alerts: int = Field(description="Episodes that the run's own monitor opened over the same steps.")
    warning: bool = Field(description="It has the run in an episode now.")
    risk: float | None
    failure_probability: float | None
    max_failure_probability: float | None
    only_shadow_warned: int = Field(description="Steps at which it was in an episode and the run's own monitor not.")
    only_own_warned: int = Field(description="Steps at which it was the other way round.")
    mean_difference: float | None = Field(
        description="Mean over steps of its failure probability less that of the run's own monitor."
    )
    mean_absolute_difference: float | None
    dropped: str | None = Field(description="Why it scores this run no longer, if so.")


class RunDetail(RunView):
    """A run with its scores and alerts."""

    scores: list[ScoreView] = Field(description="Of up to `limit` steps from position `first` on.")
    alert_list: list[AlertView]
    shadow: ShadowView | None = Field(description="Null where no shadow was set when the run began.")


class RunPage(BaseModel):
    """Runs, newest first."""

    runs: list[RunView]
    next: str | None = Field(description="Give it as ?after= for the next page; null on the last.")


class AlertPage(BaseModel):
    """Alerts, newest first."""

    alerts: list[AlertView]
    next: str | None = Field(description="Give it as ?after= for the next page; null on the last.")


class MonitorView(BaseModel):
    """A monitor as its bundle describes it, and where the project uses it."""

    monitor_id: str
    active: bool = Field(description="The project's new runs begin with it.")
    agents: list[str] = Field(description="Agents whose new runs begin with it, whatever is active.")
    shadow: bool = Field(description="It scores the project's new runs beside their own monitor.")
    is_default: bool = Field(description="The service was started with it: what a project that chose nothing has.")
    state: Literal["ready", "loading", "refused", "registered", "unknown"] = Field(
        description="Whether every live worker has it loaded (ready), some do (loading), one cannot (refused), or none "
        "needs it now (registered)."
    )
    reason: str | None = Field(description="Why a worker refuses it.")
    registered_ms: int | None
    manifest: dict[str, Any]


class ShadowCounts(BaseModel):
    """What a monitor came to as a shadow over the project's runs."""

    runs: int
    dropped: int = Field(description="Runs that it scores no longer, because it failed there.")
    steps: int
    alerts: int = Field(description="Episodes that it would have opened.")
    own_alerts: int = Field(description="Episodes that the runs' own monitors opened over the same steps.")
    only_shadow_warned: int = Field(description="Steps at which it was in an episode and the run's own monitor not.")
    only_own_warned: int
    only_shadow_alerted: int = Field(description="Runs that it would have alerted on, and their own monitor did not.")
    only_own_alerted: int
    both_alerted: int
    mean_difference: float | None = Field(
        description="Mean over steps of its failure probability less that of the run's own monitor."
    )
    mean_absolute_difference: float | None


class ForAgent(BaseModel):
    """Whose runs are meant."""

    model_config = ConfigDict(extra="forbid")

    agent: str = Field("", max_length=200, description="The agent named before a run's first step; empty: all runs.")


class ChosenMonitors(BaseModel):
    """What the project's new runs begin with now. Other API processes follow within a second."""

    active: str | None
    agents: dict[str, str] = Field(description="By agent; goes before `active`.")
    shadow: str | None
    history: list[str] = Field(description="What was active before, the latest first.")


class MonitorRegistered(BaseModel):
    """A bundle is registered."""

    monitor_id: str
    name: str
    created: bool = Field(description="True if the monitor was not registered before.")


class MonitorRemoved(BaseModel):
    """A monitor is registered no more."""

    monitor_id: str
    removed: bool


_ARCHIVE = {"schema": {"type": "string", "format": "binary"}}
BUNDLE_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/gzip": _ARCHIVE,
        "application/x-tar": _ARCHIVE,
        "application/zip": _ARCHIVE,
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["path"],
                "additionalProperties": False,
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "A bundle's folder on the API's machine, from its root.",
                        "minLength": 1,
                        "maxLength": 4096,
                        "pattern": "^/",
                    }
                },
            }
        },
    },
}


class MonitorDetail(MonitorView):
    """A monitor with examples of the raw steps it reads."""

    event_unit: str = Field(description="What one raw step is: a JSON object (json) or a block of text (text).")
    adapter: dict[str, Any] = Field(description="How raw steps are read: the adapter's spec.")
    examples: list[Any]
    as_shadow: ShadowCounts | None = Field(description="Null where it was no shadow of the project's runs.")


class PreviewView(BaseModel):
    """How a monitor's adapter reads a raw step."""

    known: bool
    view: dict[str, Any]


def to_run_view(record: RunRecord) -> dict[str, Any]:
    """The run as `RunView`."""
    summary = record.summary
    scored = summary.max_score is not None
    # Before its outcome nobody may tell a control run from one that never alerted.
    judged = record.success is not None
    return {
        "run_id": record.ref.run_id,
        "state": run_state(record),
        "created_ms": record.created_ms,
        "updated_ms": record.updated_ms,
        "ended_ms": record.ended_ms,
        "success": record.success,
        "intervened": record.intervened,
        "outcome_ms": record.outcome_ms,
        "control": summary.control if judged else None,
        "hidden_alerts": summary.hidden_alerts if judged else None,
        "agent": record.agent,
        "task": record.task,
        "tags": record.tags,
        "monitor_id": record.monitor_id,
        "steps": record.accepted,
        "scored": summary.steps,
        "parked": summary.parked,
        "unknown": summary.unknown,
        "turn": summary.turn,
        "risk": summary.risk if scored else None,
        "failure_probability": summary.failure_probability if scored else None,
        "score": summary.score if scored else None,
        "max_risk": summary.max_risk if scored else None,
        "max_failure_probability": summary.max_failure_probability if scored else None,
        "max_score": summary.max_score,
        "alerts": summary.alerts,
    }


def to_shadow_view(record: RunRecord) -> dict[str, Any] | None:
    """The run's shadow as `ShadowView`."""
    if not record.shadow_id:
        return None
    shadow = record.shadow
    scored, compared = shadow.steps > 0, shadow.compared
    return {
        "monitor_id": record.shadow_id,
        "steps": shadow.steps,
        "alerts": shadow.alerts,
        "own_alerts": shadow.own_alerts,
        "warning": shadow.warning,
        "risk": shadow.risk if scored else None,
        "failure_probability": shadow.failure_probability if scored else None,
        "max_failure_probability": shadow.max_failure_probability if scored else None,
        "only_shadow_warned": shadow.only_shadow_warned,
        "only_own_warned": shadow.only_own_warned,
        "mean_difference": shadow.difference / compared if compared else None,
        "mean_absolute_difference": shadow.absolute_difference / compared if compared else None,
        "dropped": shadow.dropped or None,
    }


def to_score_view(position: int, record: ScoreRecord) -> dict[str, Any]:
    """A scored step as `ScoreView`."""
    return {
        "position": position,
        "turn": record.turn,
        "risk": record.risk,
        "failure_probability": record.failure_probability,
        "score": record.score,
        "symbol": record.symbol,
        "state": "warning" if record.warning else "ok",
        "alert": record.alert,
        "known": record.known,
        "parked": record.parked,
        "received_ms": record.received_ms,
    }


def to_alert_view(alert: JsonObject) -> JsonObject:
    """An alert as `AlertView`."""
    return {name: value for name, value in alert.items() if name not in {"type", "project"}}
