"""What the API says and hears of runs, as documented in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.alert_views import AlertView
from service.api.values import Probability
from service.core.runs import run_state
from service.records import RunRecord, ScoreRecord

RunState = Literal["ok", "warning", "acknowledged", "recovered", "ended", "expired", "succeeded", "failed"]


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
    next: str | None = Field(description="Give it as `?after=` for the next page; null on the last.")


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
