"""Finished runs as arrays, with one scorer's scores: what every figure is computed from, floors included.

A floor (base rate, step index, oracles) is the same sample with other scores, so that it goes through the same code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from induction.learning.scoring import ScoredRun
from monitors.decision import to_statistic


@dataclass(frozen=True, slots=True)
class TurnTable:
    """One row a turn of every run, after its last raw step. n parallel calls make n rows with one score."""

    run: NDArray[np.int64]
    """Index of the run."""
    turn: NDArray[np.int64]
    label: NDArray[np.float64]
    """1 if the run fails and T - t <= h."""
    answered: NDArray[np.bool_]
    place: NDArray[np.int64]
    """Index of the raw step inside its run."""


@dataclass(frozen=True, slots=True)
class Sample:
    """R runs of F folds with n turns, and the scores of one scorer."""

    runs: Sequence[ScoredRun]
    horizon: int
    fold: NDArray[np.int64]
    """[R] in [0, F)."""
    task: NDArray[np.int64]
    """[R] in [0, tasks)."""
    agent: NDArray[np.int64]
    """[R] which agent made the run; -1 where nothing tells."""
    failed: NDArray[np.bool_]
    last: NDArray[np.int64]
    """[R] T, the number of turns."""
    table: TurnTable
    risk: NDArray[np.float64]
    """[n] ranks turns for "fails within h turns"."""
    score: NDArray[np.float64]
    """[n] ranks runs for "fails in the end"."""
    alerting: Sequence[NDArray[np.float64]]
    """R arrays [S]: the alert statistic of every raw step."""
    success_maxima: Sequence[Sequence[float]]
    """F lists: greatest alert statistics of the successful calibration runs."""
    calibrated: bool
    """Whether `risk` is a probability."""
    group: NDArray[np.int64] | None = None
    """[R] which of `group_maxima` sets a run's threshold; -1, or None for all: its fold's `success_maxima`."""
    group_maxima: Sequence[Sequence[float]] = ()
    """As `success_maxima`, for groups that have thresholds of their own."""

    @property
    def n_folds(self) -> int:
        """F."""
        return len(self.success_maxima)

    def calibrations(self) -> Iterator[tuple[NDArray[np.int64], Sequence[float]]]:
        """Yield (numbers of runs that have one threshold, greatest alert statistics of the runs that set it)."""
        group = np.full(len(self.runs), -1) if self.group is None else self.group
        for fold, maxima in enumerate(self.success_maxima):
            yield np.flatnonzero((self.fold == fold) & (group < 0)), maxima
        for number, maxima in enumerate(self.group_maxima):
            yield np.flatnonzero(group == number), maxima


def to_turn_table(runs: Sequence[ScoredRun], horizon: int) -> TurnTable:
    """Return the turns of all runs, in order."""
    numbers, turns, places, answered = [], [], [], []
    for number, run in enumerate(runs):
        # The k-th action of a run is turn k: as many rows as actions, each at the last raw step of its opening.
        actions = run.actions[run.actions > 0].astype(np.int64)
        place = np.repeat(run.closed_turns(), actions)
        first = np.repeat(run.turns[run.actions > 0] - actions, actions)
        within = np.arange(place.size) - np.repeat(np.cumsum(actions) - actions, actions)
        numbers.append(np.full(place.size, number, np.int64))
        turns.append(first + within + 1)
        places.append(place)
        answered.append(run.answered[place])
    index, turn = _join(numbers, np.int64), _join(turns, np.int64)
    failed = np.array([not run.success for run in runs], bool)
    last = np.array([run.last_turn for run in runs], np.int64)
    label = (failed[index] & (last[index] - turn <= horizon)).astype(np.float64)
    return TurnTable(index, turn, label, _join(answered, np.bool_), _join(places, np.int64))


def to_sample(
    runs: Sequence[ScoredRun],
    horizon: int,
    success_maxima: Sequence[Sequence[float]],
    folds: Sequence[int] | None = None,
    agents: Mapping[str, str] | None = None,
    offsets: Sequence[Sequence[float]] = (),
) -> Sample:
    """Return runs with a monitor's scores; without `folds` all are of one; `agents` tells who made a run, by its id;
    `offsets`, for each fold, make scores the statistic that its monitor alerts on.
    """
    table = to_turn_table(runs, horizon)
    names = [(agents or {}).get(run.run) for run in runs]
    tasks = sorted({run.task for run in runs})
    numbers = {name: number for number, name in enumerate(sorted({name for name in names if name is not None}))}
    task_numbers = {task: number for number, task in enumerate(tasks)}
    fold = np.array(folds if folds is not None else [0] * len(runs), np.int64)
    by_fold = offsets or [()] * len(success_maxima)
    return Sample(
        runs,
        horizon,
        fold,
        np.array([task_numbers[run.task] for run in runs], np.int64),
        np.array([-1 if name is None else numbers[name] for name in names], np.int64),
        np.array([not run.success for run in runs], bool),
        np.array([run.last_turn for run in runs], np.int64),
        table,
        _at_turns(table, [run.risk for run in runs]),
        _at_turns(table, [run.score for run in runs]),
        [to_statistic(run.score, run.turns, by_fold[number]) for run, number in zip(runs, fold, strict=True)],
        success_maxima,
        calibrated=True,
    )


def to_step_index(sample: Sample, success_turns: Sequence[Sequence[int]]) -> Sample:
    """Return the floor that knows the turn and nothing else; `success_turns`: per fold, T of the successful calibration
    runs.
    """
    turn = sample.table.turn.astype(np.float64)
    steps = [run.turns.astype(np.float64) for run in sample.runs]
    return _rescore(sample, turn, turn, steps, [[float(turns) for turns in fold] for fold in success_turns])


def to_base_rate(sample: Sample, rates: Sequence[float]) -> Sample:
    """Return the floor that says its fold's base rate at every turn."""
    rate = np.array(rates)[sample.fold]
    steps = [np.full(run.turns.size, value) for run, value in zip(sample.runs, rate, strict=True)]
    maxima = [[value] * len(fold) for value, fold in zip(rates, sample.success_maxima, strict=True)]
    rows = rate[sample.table.run]
    return replace(_rescore(sample, rows, rows, steps, maxima), calibrated=True)


def to_near_end_oracle(sample: Sample) -> Sample:
    """Return the floor that knows when a run ends and nothing of its outcome: 1 when T - t <= h."""
    near = (sample.last[sample.table.run] - sample.table.turn <= sample.horizon).astype(np.float64)
    steps = [(run.last_turn - run.turns <= sample.horizon).astype(np.float64) for run in sample.runs]
    return _rescore(sample, near, near, steps, [[1.0] * len(fold) for fold in sample.success_maxima])


def to_outcome_oracle(sample: Sample) -> Sample:
    """Return the floor that knows the outcome and nothing of time: 1 if the run fails."""
    fails = sample.failed[sample.table.run].astype(np.float64)
    steps = [np.full(run.turns.size, float(not run.success)) for run in sample.runs]
    return _rescore(sample, fails, fails, steps, [[0.0] * len(fold) for fold in sample.success_maxima])


def _rescore(
    sample: Sample,
    risk: NDArray[np.float64],
    score: NDArray[np.float64],
    alerting: Sequence[NDArray[np.float64]],
    success_maxima: Sequence[Sequence[float]],
) -> Sample:
    floor = replace(sample, risk=risk, score=score, alerting=alerting, success_maxima=success_maxima)
    return replace(floor, calibrated=False, group=None, group_maxima=())


def _at_turns(table: TurnTable, scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    starts = np.cumsum([0, *(score.size for score in scores)])
    return _join(scores, np.float64)[starts[table.run] + table.place]


def _join(parts: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate(parts).astype(kind) if parts else np.zeros(0, kind)
