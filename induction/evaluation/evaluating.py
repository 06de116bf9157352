"""A bundle on runs it never saw: every figure of the protocol, beside floors and intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from induction.errors import KnownTasksError, NoRunsError
from induction.evaluation.metrics import (
    ALPHAS,
    TurnTable,
    alert_metrics,
    bootstrap_over_tasks,
    failure_metrics,
    rank_metrics,
    to_turn_table,
)
from induction.learning.calibrating import realised_range
from induction.learning.labelled import LabelledCorpus, LabelledRun
from induction.learning.scoring import ScoredRun, score_runs
from monitors.bundle.manifest import digest_task
from monitors.conformal import conformal_threshold
from monitors.monitor import Monitor


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scored runs and what they come to."""

    runs: list[ScoredRun]
    table: TurnTable
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
        for run in corpus.runs(lambda _, run_fold: fold is None or run_fold == fold):
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
    table = to_turn_table(runs, monitor.manifest.horizon)
    return Evaluation(runs, table, _all_figures(monitor, runs, table))


def _all_figures(monitor: Monitor, runs: list[ScoredRun], table: TurnTable) -> dict[str, float]:
    successes = sum(run.success for run in runs)
    calibration = monitor.manifest.calibration
    figures: dict[str, float] = {
        "runs": len(runs),
        "tasks": len({run.task for run in runs}),
        "turns": int(table.turn.size),
        "steps": int(sum(run.turns.size for run in runs)),
        "failures": len(runs) - successes,
        "base_rate_h3": float(table.label.mean()),
        "answered_share_last_turn": _last_answered(runs),
        "calibration_successes": len(calibration.success_maxima),
        "calibration_tasks": calibration.tasks,
        "finest_alpha": monitor.manifest.finest_alpha,
        "alpha": monitor.manifest.alpha,
    }
    own = _measure(runs, table, calibration.success_maxima, None)
    figures.update(own)
    figures.update(_intervals(runs, monitor))
    figures.update(
        {
            f"floor_step_index_{name}": value
            for name, value in _step_index_floor(runs, table, calibration.success_turns).items()
        }
    )
    figures.update({f"floor_{name}": value for name, value in _oracles(runs, table).items()})
    for alpha in ALPHAS:
        low, high = realised_range(len(calibration.success_maxima), alpha)
        figures[f"far_expected_lo@{alpha:.2f}"], figures[f"far_expected_hi@{alpha:.2f}"] = low, high
    return {name: float(value) for name, value in figures.items()}


def _measure(
    runs: Sequence[ScoredRun], table: TurnTable, success_maxima: Sequence[float], score: NDArray[np.float64] | None
) -> dict[str, float]:
    risk = np.array([runs[run].risk[place] for run, place in zip(table.run, table.place, strict=True)])
    failure = np.array([runs[run].score[place] for run, place in zip(table.run, table.place, strict=True)])
    figures = rank_metrics(table, risk if score is None else score, risk if score is None else None)
    figures.update(failure_metrics(runs, table, failure if score is None else score))
    for alpha in ALPHAS:
        threshold = conformal_threshold(success_maxima, alpha)
        steps = [run.score if score is None else run.turns.astype(np.float64) for run in runs]
        figures.update({f"{name}@{alpha:.2f}": value for name, value in alert_metrics(runs, steps, threshold).items()})
    return figures


def _step_index_floor(runs: Sequence[ScoredRun], table: TurnTable, success_turns: Sequence[int]) -> dict[str, float]:
    return _measure(runs, table, [float(turns) for turns in success_turns], table.turn.astype(np.float64))


def _oracles(runs: Sequence[ScoredRun], table: TurnTable) -> dict[str, float]:
    last = np.array([run.last_turn for run in runs])[table.run]
    failed = np.array([float(not run.success) for run in runs])[table.run]
    near_end = rank_metrics(table, (last - table.turn <= 3).astype(np.float64), None)
    outcome = rank_metrics(table, failed, None)
    return {f"near_end_oracle_{name}": value for name, value in near_end.items()} | {
        f"outcome_oracle_{name}": value for name, value in outcome.items()
    }


def _intervals(runs: list[ScoredRun], monitor: Monitor) -> dict[str, float]:
    def measure(chosen: Sequence[int]) -> dict[str, float]:
        part = [runs[number] for number in chosen]
        return _measure(
            part, to_turn_table(part, monitor.manifest.horizon), monitor.manifest.calibration.success_maxima, None
        )

    figures = {}
    for name, (low, high) in bootstrap_over_tasks(runs, measure).items():
        figures[f"{name}_lo"], figures[f"{name}_hi"] = low, high
    return figures


def _last_answered(runs: Sequence[ScoredRun]) -> float:
    return float(np.mean([run.answered[-1] for run in runs]))
