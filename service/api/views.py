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
RunId = Annotated[
    str,
    Path(
        description="The run: any name that the sender chooses, the same for all its steps.",
        json_schema_extra=RUN_ID_SCHEMA,
    ),
]
AlertId = Annotated[str, Path(description="The alert's `id`, as listings, streams and webhooks give it.")]
MonitorId = Annotated[
    str, Path(description="The monitor's `monitor_id`; where it is only read, `active` is the project's active one.")
]
KeyId = Annotated[str, Path(description="The key's `id`: what its token begins with, up to the second `_`.")]
ProjectName = Annotated[str, Path(description="The project's name.")]
RAW_STEP_SCHEMA: dict[str, Any] = {"oneOf": [{"type": "object"}, {"type": "string"}]}
RunState = Literal["ok", "warning", "acknowledged", "recovered", "ended", "expired", "succeeded", "failed"]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="`urn:forewarn:problem:` and the problem's name. It stays; texts may change.")
    title: str = Field(description="What this type of problem is, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong here, and what to do.")
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
    state: Literal["ok", "warning"] | None = Field(None, description="`warning` inside an alert episode.")
    alert: bool | None = Field(None, description="True if this step opened an alert episode.")
    known: bool | None = Field(None, description="False if the adapter did not know this kind of step.")


class Rejection(BaseModel):
    """A step that was not taken, while others of its request were."""

    index: int = Field(ge=0, description="The step's place in the request, 0 for the first.")
    status: int = Field(description="What a request with this step alone would have been answered.")
    type: str = Field(description="The type of that problem.")
    detail: str = Field(description="What is wrong with the step.")
    pointer: str | None = Field(None, description="A JSON pointer to what is wrong.")
    retry_after_s: int | None = Field(None, description="Where sending it again later may work.")


class StepsAnswer(BaseModel):
    """What became of a request's steps. Where none was taken the answer is a problem instead."""

    run_id: str | None = Field(None, description="The run in the address, if any.")
    accepted: int = Field(description="Steps stored by this request.")
    duplicates: int = Field(description="Steps that had been stored before.")
    rejected: list[Rejection] = Field(description="Steps that were not taken, while others were.")
    steps: list[StepAnswer] = Field(description="Each step of the request, in its order.")


class Envelope(BaseModel):
    """A raw step with what is known about it beside it."""

    step: dict[str, Any] | str = Field(
        description="The raw step: an object as the agent emits it, or a piece of text log."
    )
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

    run_id: str = Field(min_length=1, max_length=200, description="The run that the step belongs to.")


class RunStart(BaseModel):
    """What may be said of a run."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"agent": "support", "task": "Where is order 1017?", "tags": {"release": "2026-11"}}]
        },
    )

    agent: str | None = Field(None, max_length=200, description="The agent's name. What is left out stays as it was.")
    task: str | None = Field(None, max_length=2000, description="What the agent is to do.")
    tags: dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=500)]] | None = Field(
        None, max_length=32, description="Anything else; replaces the tags said before."
    )


class RunStarted(BaseModel):
    """What became of what was said of a run."""

    run_id: str = Field(description="The run.")
    created: bool = Field(description="True if the run was not known before.")


class RunEnded(BaseModel):
    """The run takes no more steps."""

    run_id: str = Field(description="The run.")
    ended: bool = Field(description="True.")


class Outcome(BaseModel):
    """How a run went."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"success": False}]})

    success: bool = Field(strict=True, description="Whether the agent did what it was to do.")
    intervened: bool | None = Field(
        None, strict=True, description="Somebody acted on the warning, so the outcome says little of it."
    )


class OutcomeSaid(BaseModel):
    """The outcome of a run as it holds now."""

    run_id: str = Field(description="The run.")
    success: bool | None = Field(description="Null where there is no outcome.")
    intervened: bool | None = Field(description="Whether somebody acted on the warning; null where nobody said.")
    changed: bool = Field(description="False if it was so before.")


class RunView(BaseModel):
    """A run, without its steps."""

    run_id: str = Field(description="The run.")
    state: RunState = Field(
        description="While it is live: ok, warning or acknowledged inside an alert episode, recovered after one, "
        "expired after long without a step (another brings it back). Then ended (without an outcome), succeeded or "
        "failed."
    )
    created_ms: int = Field(description="When it was first heard of (ms since 1970).")
    updated_ms: int = Field(description="When it last changed (ms since 1970).")
    ended_ms: int | None = Field(description="When it ended (ms since 1970); null while it may take steps.")
    success: bool | None = Field(description="Its outcome; null where there is none.")
    intervened: bool | None = Field(description="Whether somebody acted on the warning; null where nobody said.")
    outcome_ms: int | None = Field(description="When the outcome that holds was said.")
    control: bool | None = Field(
        description="Whether nothing was told of its alerts (`control_ratio`); null until it has an outcome."
    )
    hidden_alerts: int | None = Field(description="A control run's alert episodes; null until it has an outcome.")
    agent: str = Field(description="What was said of it; empty where nothing was.")
    task: str = Field(description="What was said of it; empty where nothing was.")
    tags: dict[str, str] = Field(description="What was said of it.")
    monitor_id: str = Field(description="The monitor that scores it; settled at its first step.")
    steps: int = Field(description="Steps accepted.")
    scored: int = Field(description="Steps scored or set aside.")
    parked: int = Field(description="Steps set aside.")
    unknown: int = Field(description="Steps of a kind that the adapter does not know.")
    turn: int = Field(description="Agent actions so far.")
    risk: Probability | None = Field(
        description="P(it fails within the horizon of turns), latest; null before its first score."
    )
    failure_probability: Probability | None = Field(description="P(it fails in the end), latest.")
    score: float | None = Field(description="The alert statistic, latest; higher is worse.")
    max_risk: Probability | None = Field(description="The highest risk so far.")
    max_failure_probability: Probability | None = Field(description="The highest failure probability so far.")
    max_score: float | None = Field(description="The highest score so far.")
    alerts: int = Field(description="Alert episodes so far.")


class ScoreView(BaseModel):
    """One scored step."""

    position: int = Field(description="The step's place in its run, 0 for the first.")
    turn: int = Field(description="Agent actions up to here.")
    risk: Probability = Field(description="P(the run fails within the monitor's horizon of turns).")
    failure_probability: Probability = Field(description="P(the run fails in the end).")
    score: float = Field(description="The alert statistic; higher is worse.")
    symbol: int = Field(description="The event symbol that the monitor assigned.")
    state: Literal["ok", "warning"] = Field(description="`warning` inside an alert episode.")
    alert: bool = Field(description="True if this step opened an alert episode.")
    known: bool = Field(description="False if the adapter did not know this kind of step.")
    parked: bool = Field(description="True if the step could not be scored: the figures are those before it.")
    received_ms: int = Field(description="When the step came (ms since 1970).")


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


class ShadowView(BaseModel):
    """What a monitor that scores the run beside its own says of it. It alerts nobody."""

    monitor_id: str = Field(description="The shadow.")
    steps: int = Field(description="Raw steps that it scored.")
    alerts: int = Field(description="Episodes that it would have opened.")
    own_alerts: int = Field(description="Episodes that the run's own monitor opened over the same steps.")
    warning: bool = Field(description="It has the run in an episode now.")
    risk: float | None = Field(description="Its risk, latest; null before its first score.")
    failure_probability: float | None = Field(description="Its failure probability, latest.")
    max_failure_probability: float | None = Field(description="The highest so far.")
    only_shadow_warned: int = Field(description="Steps at which it was in an episode and the run's own monitor not.")
    only_own_warned: int = Field(description="Steps at which it was the other way round.")
    mean_difference: float | None = Field(
        description="Mean over steps of its failure probability less that of the run's own monitor."
    )
    mean_absolute_difference: float | None = Field(description="The same without signs.")
    dropped: str | None = Field(description="Why it scores this run no longer, if so.")


class RunDetail(RunView):
    """A run with its scores and alerts."""

    scores: list[ScoreView] = Field(description="Of up to `limit` steps from position `first` on.")
    alert_list: list[AlertView] = Field(description="All its alerts, the first first.")
    shadow: ShadowView | None = Field(description="Null where no shadow was set when the run began.")


class RunPage(BaseModel):
    """Runs, newest first."""

    runs: list[RunView] = Field(description="The runs of this page.")
    next: str | None = Field(description="Give it as ?after= for the next page; null on the last.")


class AlertPage(BaseModel):
    """Alerts, newest first."""

    alerts: list[AlertView] = Field(description="The alerts of this page.")
    next: str | None = Field(description="Give it as ?after= for the next page; null on the last.")


class MonitorView(BaseModel):
    """A monitor as its bundle describes it, and where the project uses it."""

    monitor_id: str = Field(description="Its name: made from its bundle's content.")
    active: bool = Field(description="The project's new runs begin with it.")
    agents: list[str] = Field(description="Agents whose new runs begin with it, whatever is active.")
    shadow: bool = Field(description="It scores the project's new runs beside their own monitor.")
    is_default: bool = Field(description="The service was started with it: what a project that chose nothing has.")
    state: Literal["ready", "loading", "refused", "registered", "unknown"] = Field(
        description="Whether every live worker has it loaded (ready), some do (loading), one cannot (refused), or none "
        "needs it now (registered)."
    )
    reason: str | None = Field(description="Why a worker refuses it.")
    registered_ms: int | None = Field(
        description="When it was registered (ms since 1970); null where the service was started with it."
    )
    manifest: dict[str, Any] = Field(description="The bundle's manifest: name, preset, promise, figures.")


class ShadowCounts(BaseModel):
    """What a monitor came to as a shadow over the project's runs."""

    runs: int = Field(description="Runs that it scored beside their own monitor.")
    dropped: int = Field(description="Runs that it scores no longer, because it failed there.")
    steps: int = Field(description="Raw steps that it scored.")
    alerts: int = Field(description="Episodes that it would have opened.")
    own_alerts: int = Field(description="Episodes that the runs' own monitors opened over the same steps.")
    only_shadow_warned: int = Field(description="Steps at which it was in an episode and the run's own monitor not.")
    only_own_warned: int = Field(description="Steps at which it was the other way round.")
    only_shadow_alerted: int = Field(description="Runs that it would have alerted on, and their own monitor did not.")
    only_own_alerted: int = Field(description="Runs where it was the other way round.")
    both_alerted: int = Field(description="Runs that both alerted on.")
    mean_difference: float | None = Field(
        description="Mean over steps of its failure probability less that of the run's own monitor."
    )
    mean_absolute_difference: float | None = Field(description="The same without signs.")


class ForAgent(BaseModel):
    """Whose runs are meant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"agent": "support"}]})

    agent: str = Field("", max_length=200, description="The agent named before a run's first step; empty: all runs.")


class ChosenMonitors(BaseModel):
    """What the project's new runs begin with now. Other API processes follow within a second."""

    active: str | None = Field(description="The active monitor; null where there is none.")
    agents: dict[str, str] = Field(description="By agent; goes before `active`.")
    shadow: str | None = Field(description="The monitor that scores beside; null where there is none.")
    history: list[str] = Field(description="What was active before, the latest first.")


class MonitorRegistered(BaseModel):
    """A bundle is registered."""

    monitor_id: str = Field(description="Its name: made from the bundle's content.")
    name: str = Field(description="What its maker called it.")
    created: bool = Field(description="True if the monitor was not registered before.")


class MonitorRemoved(BaseModel):
    """A monitor is registered no more."""

    monitor_id: str = Field(description="The monitor.")
    removed: bool = Field(description="True.")


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
                "examples": [{"path": "/srv/forewarn/bundles/support-2"}],
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
    examples: list[Any] = Field(description="Up to three raw steps, as they were in training, cut short.")
    as_shadow: ShadowCounts | None = Field(description="Null where it was no shadow of the project's runs.")


class PreviewView(BaseModel):
    """How a monitor's adapter reads a raw step."""

    known: bool = Field(description="False if no case of the adapter knew this kind of step.")
    view: dict[str, Any] = Field(description="The StepView: metadata, observation, action, tool, args, result, status.")


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
