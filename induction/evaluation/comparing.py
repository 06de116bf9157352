"""Two bundles on the same runs, which neither has seen: each figure of both, their paired difference, a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from induction.errors import NoRunsError
from induction.evaluation.alerting import Figures, alert_metrics_at, equal_far_curve, first_alerts_at
from induction.evaluation.metrics import draw_tasks, measure_draws
from induction.evaluation.own_thresholds import own_thresholds, to_own_sample, with_groups
from induction.evaluation.sample import Sample
from induction.learning.labelled import LabelledCorpus, LabelledRun
from induction.learning.scoring import ScoredRun, score_runs
from monitors.bundle.manifest import Manifest, digest_task
from monitors.bundle.seen import digest_run, read_seen
from monitors.monitor import Monitor

Verdict = Literal["better", "worse", "cannot be told"]

DRAWS = 1000
RISK_FIGURES = ("auprc_h3_answered", "ece_h3")
FAIL_FIGURES = ("auroc_fail_3", "auroc_fail_5", "auroc_fail_10")
PROMISE_FIGURES = ("recall", "far", "left", "lead_turns")
EQUAL_FAR = "recall_at_equal_far"
DECIDING = ("auprc_h3_answered", "auroc_fail_5", EQUAL_FAR)
"""What the verdict hangs on, named before anything is looked at; more is better in each."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A bundle, and the runs as it reads them."""

    bundle: Path
    monitor: Monitor
    corpus: LabelledCorpus


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure of both bundles. `difference` is B's less A's; its interval is of `level`."""

    name: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    level: float


@dataclass(slots=True)
class LeftOut:
    """Runs that were not compared on."""

    seen: int = 0
    """Trained or calibrated on by either."""
    known_tasks: int = 0
    """Of a task of which either has seen a run."""
    unmatched: int = 0
    """Read by the one's adapter and not by the other's."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it."""

    runs: int
    tasks: int
    failures: int
    left_out: LeftOut
    figures: list[ComparedFigure]
    broken: tuple[bool, bool]
    """Of A and B: whether more successful runs are alerted than promised, beyond what chance explains."""
    verdict: Verdict
    why: str
    warnings: list[str] = field(default_factory=list)


def compare(a: Contender, b: Contender, *, fold: int | None = None, allow_known_tasks: bool = False) -> Comparison:
    """Return how B compares with A on the runs that neither was trained or calibrated on, and, unless allowed, of
    tasks that neither knows. Differences are paired: the same draws of whole tasks for both.

    Raises NoRunsError where no run of either outcome is left.
    """
    left_out = LeftOut()
    unseen = _Unseen(a, b, fold, left_out, allow_known_tasks=allow_known_tasks)
    first = {run.run: run for run in score_runs(a.monitor, unseen.runs(a, count=True))}
    second = {run.run: run for run in score_runs(b.monitor, unseen.runs(b, count=False))}
    names = sorted(name for name in first.keys() & second.keys() if first[name].last_turn and second[name].last_turn)
    left_out.unmatched = len(first.keys() ^ second.keys())
    pair = [first[name] for name in names], [second[name] for name in names]
    failures = sum(not run.success for run in pair[0])
    if not 0 < failures < len(names):
        raise NoRunsError(
            f"{len(names)} runs are left to compare on, {failures} of them failed: there must be some of either "
            f"outcome; {left_out.seen} were seen by a bundle, {left_out.known_tasks} are of tasks that one knows "
            "(--allow-known-tasks takes those)"
        )
    samples = [_to_sample(one.monitor.manifest, runs) for one, runs in zip((a, b), pair, strict=True)]
    manifests = a.monitor.manifest, b.monitor.manifest
    alpha = min(one.alpha for one in manifests)
    weights = np.concatenate([np.ones((1, len(names))), draw_tasks(samples[0], DRAWS)])
    measured = [
        _measure(sample, weights, own_thresholds(manifest, runs), alpha)
        for sample, manifest, runs in zip(samples, manifests, pair, strict=True)
    ]
    same_horizon = manifests[0].horizon == manifests[1].horizon
    figures = _to_figures(measured[0], measured[1], with_risk=same_horizon)
    broken = tuple(_is_above(one["far"], manifest.alpha) for one, manifest in zip(measured, manifests, strict=True))
    verdict, why = judge(figures, (broken[0], broken[1]))
    return Comparison(
        runs=len(names),
        tasks=int(np.unique(samples[0].task).size),
        failures=failures,
        left_out=left_out,
        figures=figures,
        broken=(broken[0], broken[1]),
        verdict=verdict,
        why=why,
        warnings=_warnings(a, b, samples, same_horizon=same_horizon),
    )


def judge(figures: Sequence[ComparedFigure], broken: tuple[bool, bool]) -> tuple[Verdict, str]:
    """Return the verdict on B and what it rests on.

    B is worse where it breaks its promise of false alarms and A keeps its own; else it is better where the interval of
    a deciding figure's difference lies above 0 (or A alone breaks its promise) and none lies below, and worse where one
    lies below and none above. Intervals of the deciding figures are as wide as so many of them need.
    """
    deciding = [one for one in figures if one.name in DECIDING and one.low is not None and one.high is not None]
    above = [one.name for one in deciding if one.low is not None and one.low > 0]
    below = [one.name for one in deciding if one.high is not None and one.high < 0]
    if broken == (False, True):
        return "worse", "it alerts more successful runs than it promises"
    if above and below:
        return "cannot be told", f"better in {', '.join(above)}, worse in {', '.join(below)}"
    if below:
        return "worse", f"in {', '.join(below)}"
    if above:
        return "better", f"in {', '.join(above)}"
    if broken == (True, False):
        return "better", "it keeps its promise of false alarms, which the other breaks"
    return "cannot be told", "every difference that decides may be chance"


class _Unseen:
    """The runs that neither bundle was made of."""

    def __init__(
        self, a: Contender, b: Contender, fold: int | None, left_out: LeftOut, *, allow_known_tasks: bool
    ) -> None:
        self._seen = (read_seen(a.bundle) or frozenset()) | (read_seen(b.bundle) or frozenset())
        self._tasks = {*a.monitor.manifest.tasks, *b.monitor.manifest.tasks}
        self._allow_known_tasks = allow_known_tasks
        self._fold = fold
        self._left_out = left_out

    def runs(self, one: Contender, *, count: bool) -> Iterator[LabelledRun]:
        """Yield them as this bundle's adapter reads them."""
        corpus = with_groups(one.corpus, one.monitor.manifest)
        for run in corpus.runs(lambda _, run_fold: self._fold is None or run_fold == self._fold):
            if digest_run(run.events) in self._seen:
                self._left_out.seen += count
            elif not self._allow_known_tasks and digest_task(run.task) in self._tasks:
                self._left_out.known_tasks += count
            else:
                yield run


def _to_sample(manifest: Manifest, runs: Sequence[ScoredRun]) -> Sample:
    return to_own_sample(manifest, runs)


def _measure(sample: Sample, weights: NDArray[np.float64], thresholds: NDArray[np.float64], alpha: float) -> Figures:
    found = measure_draws(sample, weights)
    kept = {name: found[name] for name in (*RISK_FIGURES, *FAIL_FIGURES) if name in found}
    recall, _ = equal_far_curve(sample, weights, [alpha])
    turns = first_alerts_at(sample, thresholds)
    lead = np.where((turns >= 0) & sample.failed, np.maximum(sample.last - turns, 0), 0).astype(np.float64)
    caught = weights @ (lead > 0).astype(np.float64)
    mean_lead = np.divide(weights @ lead, caught, out=np.full(caught.shape, np.nan), where=caught > 0)
    return kept | alert_metrics_at(sample, weights, thresholds) | {EQUAL_FAR: recall[0], "lead_turns": mean_lead}


def _to_figures(
    a: Mapping[str, NDArray[np.float64]], b: Mapping[str, NDArray[np.float64]], *, with_risk: bool
) -> list[ComparedFigure]:
    figures = []
    names = [name for name in (*DECIDING, *RISK_FIGURES, *FAIL_FIGURES, *PROMISE_FIGURES) if name in a and name in b]
    for name in dict.fromkeys(names):
        both = float(a[name][0]), float(b[name][0])
        if not np.isfinite(both).all() or (name in RISK_FIGURES and not with_risk):
            continue
        level = 1 - 0.05 / len(DECIDING) if name in DECIDING else 0.95
        interval = _interval(b[name][1:] - a[name][1:], level)
        low, high = interval if interval is not None else (None, None)
        figures.append(ComparedFigure(name, *both, both[1] - both[0], low, high, level))
    return figures


def _interval(values: NDArray[np.float64], level: float) -> tuple[float, float] | None:
    known = values[np.isfinite(values)]
    if known.size < values.size / 2:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _is_above(far: NDArray[np.float64], alpha: float) -> bool:
    interval = _interval(far[1:], 0.95)
    return interval is not None and interval[0] > alpha


def _warnings(a: Contender, b: Contender, samples: Sequence[Sample], *, same_horizon: bool) -> list[str]:
    found = [
        f"{name} ({one.bundle}) was made before bundles named their runs: runs that it has seen are known by their "
        "task alone, and may be among these"
        for name, one in (("A", a), ("B", b))
        if read_seen(one.bundle) is None
    ]
    if not same_horizon:
        found.append("the two look ahead so differently (horizon) that their risks are not compared")
    if not np.array_equal(samples[0].last, samples[1].last):
        found.append("the two adapters count turns differently: figures by turn are of each one's own turns")
    if a.monitor.manifest.alpha != b.monitor.manifest.alpha:
        found.append("the two promise different shares of false alarms: recall at the promise is not at one price")
    return found
