"""Finished runs as sparse turns on disk: written once, read a batch at a time; memory does not grow with them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from induction.learning.labelled import LabelledRun
from monitors.adapter import Adapter
from monitors.features.protocol import Featuriser, StepFeatures
from monitors.stepview import StepView


@dataclass(frozen=True, slots=True)
class StoredRun:
    """Where a run's turns are, and what is asked of it."""

    task: str
    success: bool
    place: int
    """First byte in the file."""
    n_points: int
    n_rows: int
    last_turn: int
    """T, the number of turns."""


@dataclass(frozen=True, slots=True)
class RunTurns:
    """The scored points of one run, P of them: each turn once it is complete, or each raw step from the first action
    on.
    """

    offsets: NDArray[np.int32]
    """[P + 1] where each point's rows start and end."""
    turns: NDArray[np.int32]
    """[P] agent actions so far."""
    actions: NDArray[np.int32]
    """[P] how many turns the point stands for: the actions made at once where its group is complete, else 0."""
    groups: NDArray[np.int32]
    """[P] which group of turns opened at once, from 0 on."""
    rows: NDArray[np.uint16]
    """[n] vocabulary rows of all points, one after the other."""
    weights: NDArray[np.float32]
    """[n] their weights."""


class TurnStore:
    """Runs' turns in one unnamed file, gone with the store. A context manager."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(prefix="forewarn-turns-", dir=folder)  # noqa: SIM115 - closed on exit
        self.runs: list[StoredRun] = []

    def __enter__(self) -> TurnStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, run: LabelledRun, turns: RunTurns) -> None:
        """Append a run that has at least one turn."""
        place = self._file.seek(0, os.SEEK_END)
        for part in (turns.offsets, turns.turns, turns.actions, turns.groups, turns.weights, turns.rows):
            self._file.write(np.ascontiguousarray(part).tobytes())
        self.runs.append(
            StoredRun(run.task, run.success, place, turns.turns.size, turns.rows.size, int(turns.turns[-1]))
        )

    def seal(self) -> None:
        """Make what was added readable."""
        self._file.flush()

    def read(self, run: StoredRun) -> RunTurns:
        """Return a run's turns. Read by position, not mapped: mapped pages would count as this process's memory."""
        head, tail = 4 * (4 * run.n_points + 1), 6 * run.n_rows
        raw = os.pread(self._file.fileno(), head + tail, run.place)
        numbers = np.frombuffer(raw, np.int32, 4 * run.n_points + 1)
        offsets, rest = numbers[: run.n_points + 1], numbers[run.n_points + 1 :].reshape(3, run.n_points)
        weights = np.frombuffer(raw, np.float32, run.n_rows, head)
        rows = np.frombuffer(raw, np.uint16, run.n_rows, head + 4 * run.n_rows)
        return RunTurns(offsets, rest[0], rest[1], rest[2], rows, weights)


def store_turns(
    runs: Iterable[LabelledRun], adapter: Adapter, featuriser: Featuriser, store: TurnStore, *, open_turns: bool
) -> None:
    """Featurise runs into a store, one at a time; with `open_turns` every raw step from the first action on, else each
    turn once it is complete. Runs without an action are left out.
    """
    for run in runs:
        memory = featuriser.initial_memory()
        steps: list[tuple[StepView, StepFeatures]] = []
        for event in run.events:
            view, _ = adapter.view(event)
            step = featuriser.step(view, memory)
            memory = step.memory
            if not open_turns and steps and not step.opens:
                steps[-1] = (steps[-1][0], step)
            elif step.opens or steps:
                steps.append((view, step))
        if steps:
            store.add(run, _to_turns(steps, open_turns=open_turns))
    store.seal()


def _to_turns(steps: Sequence[tuple[StepView, StepFeatures]], *, open_turns: bool) -> RunTurns:
    acts = np.array([view.actions for view, _ in steps], np.int32)
    groups = np.cumsum(acts > 0, dtype=np.int32) - 1
    is_end = np.append(groups[1:] != groups[:-1], True) if open_turns else np.ones(groups.size, np.bool_)
    made = acts[acts > 0]
    parts = [step.rows for _, step in steps]
    return RunTurns(
        offsets=np.concatenate([[0], np.cumsum([part.size for part in parts])]).astype(np.int32),
        turns=np.cumsum(acts, dtype=np.int32),
        actions=np.where(is_end, made[groups], 0).astype(np.int32),
        groups=groups,
        rows=np.concatenate(parts).astype(np.uint16),
        weights=np.concatenate([step.weights for _, step in steps]),
    )
