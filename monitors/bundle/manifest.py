"""The manifest: what a bundle is, what it was made of, what it promises."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from monitors.bundle.reference import ReferenceRecord
from monitors.calibration import PlattMap
from monitors.conformal import ALPHAS, Promise, promise

FORMAT = 1
MAX_GRAPH_BYTES = 32 << 20
MAX_STATE_BYTES = 4_096
MAX_STEP_US_AT_64 = 30.0
MAX_STEP_US_ALONE = 1_000.0


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingRecord(_Record):
    """What the monitor was trained on, and how."""

    corpus: str
    runs: int
    tasks: int
    failures: int
    excluded_fold: int | None = None
    preset: str
    head: str
    seed: int
    epochs: int
    device: str | None = Field(None, description="Where its network was trained: cpu or cuda; null if nobody kept it.")
    validation_auprc_h: float | None = Field(
        None,
        description="Average precision of the h-turn risk on training runs held out: of early stopping, of the inner "
        "folds (paper), or of the trees that teach the network, which nothing is held out of itself (best).",
    )


class CalibrationRecord(_Record):
    """What probabilities and threshold were fitted on: runs that training never saw."""

    runs: int
    tasks: int
    success_maxima: list[float] = Field(
        description="Greatest alert statistic of each successful calibration run, ascending: every threshold comes "
        "from here. The statistic is the raw failure logit, less the manifest's `offsets`."
    )
    success_turns: list[int] = Field(
        description="Turns of the same runs in the same order: the floor of the step index alone."
    )
    risk: PlattMap
    failure: PlattMap
    base_risk: float = Field(ge=0, le=1, description="Mean label of the risk over calibration steps.")


class GroupRecord(_Record):
    """A threshold of some of the runs, and the calibration runs that it comes from."""

    success_maxima: list[float] = Field(description="As those of the calibration, of these runs alone.")
    threshold: float | None = Field(description="As the manifest's; null = too few runs for alpha, never alerts.")
    release: float | None


class GroupsRecord(_Record):
    """Thresholds of groups of runs. The manifest's own threshold holds for runs whose group nobody names."""

    by: str = Field(description="The field of the outcomes that names a run's group; live, the run's agent.")
    needed: int = Field(description="The fewest successful calibration runs for a threshold of a group's own.")
    own: dict[str, GroupRecord] = Field(description="Group → its threshold.")
    others: GroupRecord = Field(description="Of every other group, known or not.")


class CostRecord(_Record):
    """What the monitor costs, measured where it was made."""

    graph_bytes: int
    state_bytes: int = Field(description="All that is kept of a run between two raw steps, the most that was met.")
    step_us_at_64: float = Field(
        description="Microseconds of processor time a raw step in a batch of 64 runs, without the adapter's reading."
    )
    step_us_alone: float = Field(description="The same for one run alone.")

    def warnings(self) -> list[str]:
        """Return what is dearer than promised. Plain words: a busy machine can be the reason."""
        lines = (
            ("at batch 64", self.step_us_at_64, MAX_STEP_US_AT_64),
            ("alone", self.step_us_alone, MAX_STEP_US_ALONE),
        )
        return [
            f"a step {name} took {cost:g} µs of processor time, more than {most:g}: "
            "measure again on a quiet machine, or shorten what the adapter lets through"
            for name, cost, most in lines
            if cost > most
        ]


class Manifest(_Record):
    """A bundle's first file. Hashes name the others."""

    format: Literal[1] = 1
    name: str
    created: str
    forewarn: str
    horizon: int = Field(ge=0, description="h, in turns.")
    alpha: float = Field(gt=0, lt=1, description="Promised share of successful runs that ever alert.")
    confidence: float | None = Field(
        None, description="Share of calibrations in which alpha is kept; null = on average over them."
    )
    threshold: float | None = Field(
        description="On the alert statistic, strictly above alerts; null = too few runs for alpha, never alerts."
    )
    release: float | None = Field(description="An episode ends at or below this.")
    finest_alpha: float = Field(
        description="The smallest promise that n successful calibration runs support: 1 / (n + 1) on average."
    )
    realised_range: tuple[float, float] = Field(
        description="90 % range of the realised false-alarm rate over calibration draws (Beta)."
    )
    offsets: list[FiniteFloat] = Field(
        default_factory=list,
        max_length=1000,
        description="By turn, from 0: taken off the raw failure logit before it is compared, so that the threshold "
        "lies so much higher at that turn. The last goes on for ever; empty = one flat threshold.",
    )
    groups: GroupsRecord | None = Field(None, description="Null = one threshold for all.")
    min_turns: int = 0
    n_symbols: int
    featuriser: str = Field("ngrams", description="How raw steps become the graph's inputs.")
    shape_version: int
    training: TrainingRecord
    calibration: CalibrationRecord
    reference: ReferenceRecord | None = Field(
        None, description="What live runs are held against. Absent from bundles made before it, and from small ones."
    )
    cost: CostRecord | None = Field(None, description="Absent from bundles that were made before it was measured.")
    metrics: dict[str, float] = Field(default_factory=dict)
    tasks: list[str] = Field(
        default_factory=list,
        description="Digests of the tasks used for training or calibration: never evaluate on them.",
    )
    files: dict[str, str] = Field(default_factory=dict, description="File name → SHA-256.")

    def promises(self) -> list[Promise]:
        """Return what the calibration runs support at each of `ALPHAS` and at `alpha`, ascending: with `confidence`,
        as the bundle's own promise is meant.
        """
        maxima = self.calibration.success_maxima
        return [promise(maxima, alpha, self.confidence) for alpha in sorted({*ALPHAS, self.alpha})]

    def summary(self) -> dict[str, Any]:
        """Return what a person or a program asks first, without the long lists."""
        record = self.model_dump(
            mode="json",
            exclude={
                "files": True,
                "tasks": True,
                "calibration": {"success_maxima", "success_turns"},
                "reference": {"tools", "shares"},
            },
        )
        record["calibration"]["successes"] = len(self.calibration.success_maxima)
        if self.groups is not None:
            for group in (record["groups"]["others"], *record["groups"]["own"].values()):
                group["successes"] = len(group.pop("success_maxima"))
        return record


def digest_task(task: str) -> str:
    """Return the digest under which a task id stands in a manifest: 16 hex digits of SHA-256."""
    return hashlib.sha256(task.encode("utf-8", "replace")).hexdigest()[:16]
