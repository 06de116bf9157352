"""From fits to rows: figures with intervals, per fold and pooled, floors beside them, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from induction.benchmark.fits import Fit
from induction.benchmark.plan import Contender, Group
from induction.benchmark.pooling import STEP_INDEX, calibration_tasks, describe, pool, to_floors
from induction.evaluation.alerting import ALPHAS, Figures
from induction.evaluation.metrics import draw_tasks, measure, measure_draws, to_interval
from induction.evaluation.promise import promise_figures
from induction.evaluation.sample import Sample
from monitors.conformal import realised_range

Row = dict[str, Any]

COMPARED = (
    "auprc_h3_answered",
    "auprc_h3",
    "auroc_fail_3",
    "auroc_fail_5",
    "auroc_fail_10",
    "recall@0.10",
    *(f"{name}_at_far@{alpha:.2f}" for name in ("recall", "left") for alpha in ALPHAS),
)
"""Figures of which differences are given."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of a sample, and what they were in each bootstrap draw."""

    figures: dict[str, float]
    draws: Figures
    runs: tuple[str, ...]
    """Run ids in the order of the draws' multiplicities: the same runs mean the same draws."""


@dataclass(slots=True)
class Results:
    """What is measured so far."""

    rows: list[Row] = field(default_factory=list)
    measured: dict[tuple[str, str, int, str], Measured] = field(default_factory=dict)
    """By corpus, split, seed and label of contender or floor."""

    def add(self, group: Group, fits: Sequence[Fit], agents: Mapping[str, str]) -> None:
        """Measure a group that is complete; its floors too if it is the first of its corpus, split and seed."""
        place: Row = {"corpus": group.corpus.name, "split": group.split}
        own: Row = {
            **place,
            "preset": group.contender.preset,
            "head": group.contender.head,
            "seed": group.seed,
            "fold": None,
        }
        sample = pool(fits, agents)
        if group.share != 1.0:
            own["share"] = group.share
            self.rows.extend(_to_rows(own, _measure(sample)) + _count_rows(own, sample, fits))
            return
        block = (group.corpus.name, group.split, group.seed)
        found = self.measured[(*block, group.contender.label)] = _measure(sample)
        self.rows.extend(_to_rows(own, found) + _count_rows(own, sample, fits) + _promise_rows(own, sample))
        for one, tasks in zip(fits, calibration_tasks(fits), strict=True):
            self.rows.extend(_fold_rows({**own, "fold": one.key.fold}, one, tasks, agents))
        if (*block, STEP_INDEX) not in self.measured:
            for name, make in to_floors(sample, fits).items():
                self.measured[(*block, name)] = measured = _measure(make())
                self.rows.extend(_to_rows({**own, "preset": name, "head": None}, measured))

    def differences(self, contenders: Sequence[Contender]) -> list[Row]:
        """Return paired differences between contenders, each minus each that comes after it, and each minus the step
        index: per seed, and of the means over seeds (seed null).
        """
        pairs = [*combinations([one.label for one in contenders], 2)]
        pairs += [(one.label, STEP_INDEX) for one in contenders]
        rows: list[Row] = []
        for corpus, split in dict.fromkeys((corpus, split) for corpus, split, _, _ in self.measured):
            seeds = [seed for c, s, seed, _ in self.measured if (c, s) == (corpus, split)]
            for one, other in pairs:
                both = [
                    (seed, self.measured[corpus, split, seed, one], self.measured[corpus, split, seed, other])
                    for seed in dict.fromkeys(seeds)
                    if {(corpus, split, seed, one), (corpus, split, seed, other)} <= self.measured.keys()
                ]
                place: Row = {"corpus": corpus, "split": split, "preset": one, "minus": other}
                rows.extend(_difference_rows(place, both))
        return rows


def _measure(sample: Sample) -> Measured:
    draws = measure_draws(sample, draw_tasks(sample))
    return Measured(measure(sample), draws, tuple(run.run for run in sample.runs))


def _to_rows(place: Row, found: Measured) -> list[Row]:
    rows = []
    for name, value in found.figures.items():
        interval = None if name.endswith("_folds") else to_interval(found.draws[name])
        low, high = interval or (None, None)
        rows.append({**place, "metric": name, "value": value, "lo": low, "hi": high})
    return rows


def _count_rows(place: Row, sample: Sample, fits: Sequence[Fit]) -> list[Row]:
    counts = {**describe(sample, fits), "training_runs": float(np.mean([fit.training_runs for fit in fits]))}
    return [{**place, "metric": name, "value": value, "lo": None, "hi": None} for name, value in counts.items()]


def _promise_rows(place: Row, sample: Sample) -> list[Row]:
    return [
        {**place, "metric": name, "value": value, "lo": low, "hi": high}
        for name, (value, low, high) in promise_figures(sample).items()
    ]


def _fold_rows(place: Row, fit: Fit, tasks: int, agents: Mapping[str, str]) -> list[Row]:
    """Return the rows of one fold, and beside its false alarms what their share should be: the Beta range of a
    threshold from n runs (of K tasks).
    """
    sample = pool([fit], agents)
    rows = _to_rows(place, _measure(sample))
    n = len(fit.success_maxima)
    for name, value in (("calibration_successes", n), ("calibration_tasks", tasks)):
        rows.append({**place, "metric": name, "value": float(value), "lo": None, "hi": None})
    for alpha in ALPHAS:
        low, high = realised_range(n, alpha)
        rows.append({**place, "metric": f"far_expected@{alpha:.2f}", "value": alpha, "lo": low, "hi": high})
    return rows


def _difference_rows(place: Row, both: Sequence[tuple[int, Measured, Measured]]) -> list[Row]:
    comparable = [(seed, one, other) for seed, one, other in both if one.runs == other.runs]
    rows: list[Row] = []
    for metric in COMPARED:
        values, draws = [], []
        for seed, one, other in comparable:
            if metric in one.figures and metric in other.figures:
                values.append(one.figures[metric] - other.figures[metric])
                draws.append(one.draws[metric] - other.draws[metric])
                rows.append(_difference_row({**place, "seed": seed, "metric": metric}, values[-1], draws[-1]))
        if len(values) == len(comparable) > 1:
            mean = (float(np.mean(values)), np.mean(draws, axis=0))
            rows.append(_difference_row({**place, "seed": None, "metric": metric}, *mean))
    return rows


def _difference_row(place: Row, value: float, draws: Any) -> Row:
    low, high = to_interval(draws) or (None, None)
    return {**place, "value": value, "lo": low, "hi": high}
