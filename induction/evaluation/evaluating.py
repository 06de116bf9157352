"""A bundle on runs it never saw: every figure of the protocol, beside floors and intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from induction.errors import KnownTasksError, NoRunsError
from induction.evaluation.agents import read_agents
from induction.evaluation.alerting import ALPHAS
from induction.evaluation.metrics import draw_tasks, measure, measure_draws, to_interval
from induction.evaluation.own_thresholds import to_own_sample, with_groups
from induction.evaluation.sample import (
    Sample,
    to_base_rate,
    to_near_end_oracle,
    to_outcome_oracle,
    to_step_index,
)
from induction.learning.labelled import LabelledCorpus, LabelledRun
from induction.learning.scoring import ScoredRun, score_runs
from monitors.bundle.manifest import digest_task
from monitors.conformal import realised_range
from monitors.monitor import Monitor


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scored runs and what they come to."""

    runs: list[ScoredRun]
    sample: Sample
    figures: dict[str, float]
    """Flat: metric names of docs/metrics.md, with _lo and _hi beside each that has an interval, floors under floor_*.
    """


def evaluate(
    monitor: Monitor,
    corpus: LabelledCorpus,
    fold: int | None,
    *,
    allow_known_tasks: bool = False,
    on_run: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Return the evaluation of a monitor on a corpus, or on one fold of it.

    Raises KnownTasksError if the monitor was trained or calibrated on any of the tasks, unless allowed; NoRunsError if
    the fold is empty.
    """

    def wanted() -> Iterator[LabelledRun]:
        for run in with_groups(corpus, monitor.manifest).runs(lambda _, run_fold: fold is None or run_fold == fold):
            if not allow_known_tasks and digest_task(run.task) in known:
                raise KnownTasksError(
                    f"the bundle was trained or calibrated on task {run.task!r}: evaluate on other runs, "
                    "name a --fold that was excluded, or say --allow-known-tasks"
                )
            on_run()
            yield run

    known = set(monitor.manifest.tasks)
    runs = list(score_runs(monitor, wanted()))
    if not runs:
        raise NoRunsError(f"{corpus.raw} has no run in fold {fold}")
    if not any(run.last_turn for run in runs):
        raise NoRunsError(f"{corpus.raw}: no agent acts in any of {len(runs)} runs, by this bundle's adapter")
    sample = to_own_sample(monitor.manifest, runs, read_agents(corpus.outcomes))
    return Evaluation(runs, sample, _all_figures(monitor, sample))


def _all_figures(monitor: Monitor, sample: Sample) -> dict[str, float]:
    calibration = monitor.manifest.calibration
    table = sample.table
    figures: dict[str, float] = {
        "runs": len(sample.runs),
        "tasks": len(np.unique(sample.task)),
        "turns": int(table.turn.size),
        "steps": int(sum(run.turns.size for run in sample.runs)),
        "failures": int(sample.failed.sum()),
        "base_rate_h3": float(table.label.mean()),
        "answered_share_last_turn": float(np.mean([run.answered[-1] for run in sample.runs])),
        "calibration_successes": len(calibration.success_maxima),
        "calibration_tasks": calibration.tasks,
        "finest_alpha": monitor.manifest.finest_alpha,
        "alpha": monitor.manifest.alpha,
    }
    figures.update(measure(sample))
    figures.update(_intervals(sample))
    floors = {
        "base_rate": to_base_rate(sample, [calibration.base_risk]),
        "step_index": to_step_index(sample, [calibration.success_turns]),
        "near_end_oracle": to_near_end_oracle(sample),
        "outcome_oracle": to_outcome_oracle(sample),
    }
    for name, floor in floors.items():
        figures.update({f"floor_{name}_{figure}": value for figure, value in measure(floor).items()})
    for alpha in ALPHAS:
        low, high = realised_range(len(calibration.success_maxima), alpha)
        figures[f"far_expected_lo@{alpha:.2f}"], figures[f"far_expected_hi@{alpha:.2f}"] = low, high
    return {name: float(value) for name, value in figures.items()}


def _intervals(sample: Sample) -> dict[str, float]:
    figures = {}
    for name, values in measure_draws(sample, draw_tasks(sample)).items():
        interval = None if name.endswith("_folds") else to_interval(values)
        if interval is not None:
            figures[f"{name}_lo"], figures[f"{name}_hi"] = interval
    return figures
