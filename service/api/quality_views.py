"""What the API says of a monitor's live quality, as documented in /openapi.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.views import Probability

Test = Literal["promise", "coverage", "symbols"]


class ShareOfRuns(BaseModel):
    """`hits` of `of` runs, and the 95 % interval (Wilson) for so many; all null where there are none."""

    hits: int
    of: int
    value: Probability | None
    low: Probability | None
    high: Probability | None


class RightnessView(BaseModel):
    """How often the monitor is right, over runs with an outcome in which nobody intervened."""

    runs: int
    precision: ShareOfRuns = Field(description="Of the runs that alerted, those that failed.")
    recall: ShareOfRuns = Field(description="Of the runs that failed, those that alerted, whenever.")
    false_alarms: ShareOfRuns = Field(description="Of the runs that succeeded, those that alerted.")


class AllRuns(RightnessView):
    """Over all runs, those that were warned about, and the control runs, which no warning has moved."""

    warned: RightnessView
    control: RightnessView


class CalibrationView(BaseModel):
    """Failure probabilities over the runs' scored steps, each run weighing the same, against what came."""

    runs: int
    error: float | None = Field(description="Expected calibration error, ten bins; above 0 by chance alone.")
    excess: float | None = Field(description="Share of failures less mean probability: above 0 is too hopeful.")
    z: float | None = Field(description="`excess` in its standard errors: a figure for one look, no test over time.")


class RecentRuns(AllRuns):
    """Over the latest runs with an outcome."""

    since_ms: int | None
    calibration: CalibrationView


class QualityCounts(BaseModel):
    """Runs of this monitor that are over, since it first scored one; deleted ones count on."""

    successes: int
    failures: int
    intervened: int = Field(description="Of both: somebody acted on the warning. They count nowhere else.")
    unlabelled: int = Field(description="Ended, and nobody said how.")
    control: int = Field(description="Of all: recorded, and never warned about.")


class RuleView(BaseModel):
    """The promise of one decision rule."""

    group: str = Field(description='Whose runs have the rule: "" all whom nobody named, "*" groups without their own.')
    calibration_successes: int
    expected: float | None = Field(description="The share of false alarms to expect; null: too few runs, never alerts.")
    false_alarms: ShareOfRuns
    evidence: float | None = Field(
        description="1 for none. While the promise holds it reaches 1 / p with probability p at most, ever."
    )


class PromiseView(BaseModel):
    """Whether successful runs alert no oftener than the calibration runs had it."""

    alpha: float
    confidence: float | None
    level: float = Field(description="The probability that `broken` is ever said of a monitor that keeps its promise.")
    broken: bool
    rules: list[RuleView]


class ShareNow(BaseModel):
    """A share of runs' steps: over the calibration runs, and over the latest that ended."""

    model_config = ConfigDict(extra="allow")

    name: str
    reference: float
    now: float | None
    rise: float | None = Field(None, description="Evidence that more runs lie above nine tenths of the calibration's.")
    fall: float | None = Field(None, description="Evidence that more lie below; null where that is no matter.")


class DriftView(BaseModel):
    """Runs that ended, held against the calibration runs. `level` is for all shares together."""

    level: float
    runs: int
    reference_runs: int
    drifted: bool
    shares: list[ShareNow]


class CoverageView(DriftView):
    """What the adapter makes of raw steps."""

    known: float | None = Field(description="Share of steps that a case of the adapter knew, lately.")
    reference_known: float


class SymbolsView(DriftView):
    """The event symbols."""

    stability_index: float | None = Field(description="Population stability index: by custom, above 0.25 is a shift.")


class FlagView(BaseModel):
    """A test has said that something has changed. It stays, for this monitor."""

    test: Test
    at_ms: int
    runs: int
    log_evidence: float
    about: str = Field(description="The share (+ above, - below), or the group of runs.")


class MonitorQuality(BaseModel):
    """What live runs of the caller's project say of a monitor."""

    monitor_id: str
    counts: QualityCounts
    all: AllRuns
    recent: RecentRuns
    promise: PromiseView | None = Field(description="Null where the bundle is not known here.")
    coverage: CoverageView | None = Field(description="Null where the bundle has no reference: unknown, not 0.")
    symbols: SymbolsView | None
    flags: list[FlagView]


class QualityPage(BaseModel):
    """Every monitor that has scored runs of the caller's project."""

    monitors: list[MonitorQuality]


class FeedbackView(BaseModel):
    """How the project uses outcomes."""

    model_config = ConfigDict(extra="forbid")

    control_ratio: float = Field(
        strict=True,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of runs whose alerts are neither delivered nor shown.",
    )
