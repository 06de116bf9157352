"""What the API says of a monitor's live quality, as documented in /openapi.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from monitors.reliability import ReliabilityBin
from service.api.values import Probability

Test = Literal["promise", "coverage", "symbols"]


class ShareOfRuns(BaseModel):
    """`hits` of `of` runs, and the 95 % interval (Wilson) for so many; all null where there are none."""

    hits: int = Field(description="How many of them.")
    of: int = Field(description="Of how many.")
    value: Probability | None = Field(description="The share.")
    low: Probability | None = Field(description="Lower end of its 95 % interval.")
    high: Probability | None = Field(description="Upper end.")


class RightnessView(BaseModel):
    """How often the monitor is right, over runs with an outcome in which nobody intervened."""

    runs: int = Field(description="How many runs.")
    precision: ShareOfRuns = Field(description="Of the runs that alerted, those that failed.")
    recall: ShareOfRuns = Field(description="Of the runs that failed, those that alerted, whenever.")
    false_alarms: ShareOfRuns = Field(description="Of the runs that succeeded, those that alerted.")


class AllRuns(RightnessView):
    """Over all runs, those that were warned about, and the control runs, which no warning has moved."""

    warned: RightnessView = Field(description="Over runs that were warned about, where they alerted.")
    control: RightnessView = Field(description="Over control runs.")


class CalibrationView(BaseModel):
    """Failure probabilities over the runs' scored steps, each run weighing the same, against what came."""

    runs: int = Field(description="How many runs.")
    error: float | None = Field(description="Expected calibration error, ten bins; above 0 by chance alone.")
    excess: float | None = Field(description="Share of failures less mean probability: above 0 is too hopeful.")
    z: float | None = Field(description="`excess` in its standard errors: a figure for one look, no test over time.")
    bins: list[ReliabilityBin | None] = Field(description="By tenths of probability; empty without runs.")


class LeadView(BaseModel):
    """How early alerts came: first alerts of failed runs in which nobody intervened."""

    runs: int = Field(description="Alerted before their last turn; the medians are over these.")
    late: int = Field(description="Alerted at their last turn.")
    left: Probability | None = Field(description="Median share of the run's turns that were left.")
    turns: float | None = Field(description="Median number of turns that were left.")


class RecentRuns(AllRuns):
    """Over the latest runs with an outcome."""

    since_ms: int | None = Field(description="When the first of them got its outcome (ms since 1970).")
    calibration: CalibrationView = Field(description="Whether probabilities came true.")
    lead: LeadView = Field(description="How early alerts came.")


class QualityCounts(BaseModel):
    """Runs of this monitor that are over, since it first scored one; deleted ones count on."""

    successes: int = Field(description="Runs that succeeded.")
    failures: int = Field(description="Runs that failed.")
    intervened: int = Field(description="Of both: somebody acted on the warning. They count nowhere else.")
    unlabelled: int = Field(description="Ended, and nobody said how.")
    control: int = Field(description="Of all: recorded, and never warned about.")


class RuleView(BaseModel):
    """The promise of one decision rule."""

    group: str = Field(description='Whose runs have the rule: "" all whom nobody named, "*" groups without their own.')
    calibration_successes: int = Field(description="Successful runs that the threshold rests on.")
    expected: float | None = Field(description="The share of false alarms to expect; null: too few runs, never alerts.")
    false_alarms: ShareOfRuns = Field(description="Over live runs that succeeded.")
    evidence: float | None = Field(
        description="1 for none. While the promise holds it reaches 1 / p with probability p at most, ever."
    )


class PromiseView(BaseModel):
    """Whether successful runs alert no oftener than the calibration runs had it."""

    alpha: float = Field(description="The promised share of successful runs that alert, at most.")
    confidence: float | None = Field(description="In which share of calibrations it holds; null: on average.")
    level: float = Field(description="The probability that `broken` is ever said of a monitor that keeps its promise.")
    broken: bool = Field(description="True once a test has said that more runs alert than promised.")
    rules: list[RuleView] = Field(description="By group of runs.")


class ShareNow(BaseModel):
    """A share of runs' steps: over the calibration runs, and over the latest that ended."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(description="What is counted.")
    reference: float = Field(description="Over the calibration runs.")
    now: float | None = Field(description="Over the latest runs; null where there are none.")
    rise: float | None = Field(None, description="Evidence that more runs lie above nine tenths of the calibration's.")
    fall: float | None = Field(None, description="Evidence that more lie below; null where that is no matter.")


class DriftView(BaseModel):
    """Runs that ended, held against the calibration runs. `level` is for all shares together."""

    level: float = Field(description="The probability that `drifted` is ever said where nothing has changed.")
    runs: int = Field(description="Live runs looked at.")
    reference_runs: int = Field(description="Calibration runs.")
    drifted: bool = Field(description="True once a test has said so.")
    shares: list[ShareNow] = Field(description="Each share that is watched.")


class CoverageView(DriftView):
    """What the adapter makes of raw steps."""

    known: float | None = Field(description="Share of steps that a case of the adapter knew, lately.")
    reference_known: float = Field(description="The same over the calibration runs.")


class SymbolsView(DriftView):
    """The event symbols."""

    stability_index: float | None = Field(description="Population stability index: by custom, above 0.25 is a shift.")


class FlagView(BaseModel):
    """A test has said that something has changed. It stays, for this monitor."""

    test: Test = Field(description="Which test.")
    at_ms: int = Field(description="When (ms since 1970).")
    runs: int = Field(description="After how many runs.")
    log_evidence: float = Field(description="Natural logarithm of the evidence.")
    about: str = Field(description="The share (+ above, - below), or the group of runs.")


class MonitorQuality(BaseModel):
    """What live runs of the caller's project say of a monitor."""

    monitor_id: str = Field(description="The monitor.")
    counts: QualityCounts = Field(description="Runs that are over.")
    all: AllRuns = Field(description="Over all of them.")
    recent: RecentRuns = Field(description="Over the latest.")
    promise: PromiseView | None = Field(description="Null where the bundle is not known here.")
    coverage: CoverageView | None = Field(description="Null where the bundle has no reference: unknown, not 0.")
    symbols: SymbolsView | None = Field(description="Null where the bundle has no reference.")
    flags: list[FlagView] = Field(description="What tests have said so far.")


class QualityPage(BaseModel):
    """Every monitor that has scored runs of the caller's project."""

    monitors: list[MonitorQuality] = Field(description="One report each.")


class FeedbackView(BaseModel):
    """How the project uses outcomes."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"control_ratio": 0.05}]})

    control_ratio: float = Field(
        strict=True,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of runs whose alerts are neither delivered nor shown.",
    )
