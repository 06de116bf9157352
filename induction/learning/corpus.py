"""Finished runs as arrays: every raw step featurised exactly as it would be online."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from induction.learning.labelled import LabelledRun
from monitors.adapter import Adapter
from monitors.features.protocol import TURNS, Featuriser


@dataclass(frozen=True, slots=True)
class FeaturedRun:
    """One run of S raw steps as numbers."""

    run: str
    task: str
    success: bool
    rows: NDArray[np.int32]
    """[n] vocabulary rows of all raw steps, one after the other."""
    weights: NDArray[np.float32]
    """[n] their weights."""
    offsets: NDArray[np.int64]
    """[S + 1] where each raw step's rows start and end."""
    shape: NDArray[np.float32]
    """[S, n_shape]"""
    opens: NDArray[np.bool_]
    """[S] whether the raw step opens a turn."""
    turns: NDArray[np.int32]
    """[S] agent actions so far."""

    @property
    def n_steps(self) -> int:
        """S, the number of raw steps."""
        return int(self.turns.size)

    @property
    def last_turn(self) -> int:
        """T, the number of turns of the finished run."""
        return int(self.turns[-1])

    def risk_labels(self, horizon: int) -> NDArray[np.float32]:
        """Return y [S]: 1 if and only if the run fails and T - t <= h, in turns (paper, section 3)."""
        return ((self.last_turn - self.turns <= horizon) & (not self.success)).astype(np.float32)


def featurise_runs(runs: Iterable[LabelledRun], adapter: Adapter, featuriser: Featuriser) -> Iterator[FeaturedRun]:
    """Yield each run that has at least one raw step as arrays. One pass, one run in memory at a time."""
    for run in runs:
        if run.events:
            yield _featurise_run(run, adapter, featuriser)


def _featurise_run(run: LabelledRun, adapter: Adapter, featuriser: Featuriser) -> FeaturedRun:
    memory = featuriser.initial_memory()
    rows, weights, turns, opens = [], [], [], []
    shape = np.empty((len(run.events), featuriser.n_shape), np.float32)
    for index, event in enumerate(run.events):
        view, _ = adapter.view(event)
        step = featuriser.step(view, memory)
        memory = step.memory
        rows.append(step.rows)
        weights.append(step.weights)
        shape[index] = step.shape
        turns.append(int(memory[TURNS]))
        opens.append(step.opens)
    offsets = np.concatenate([[0], np.cumsum([step_rows.size for step_rows in rows])]).astype(np.int64)
    return FeaturedRun(
        run.run,
        run.task,
        run.success,
        np.concatenate(rows),
        np.concatenate(weights),
        offsets,
        shape,
        np.array(opens, np.bool_),
        np.array(turns, np.int32),
    )
