"""Finished runs scored by the monitor itself, raw step by raw step, as the service would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from induction.learning.labelled import LabelledRun
from monitors.adapter import Adapter
from monitors.adapter.pointers import is_present
from monitors.monitor import Verdict
from monitors.stepview import JsonValue, StepView

StateT = TypeVar("StateT")


class Watcher(Protocol[StateT]):
    """What scores runs: a monitor, or its automaton."""

    def initial_state(self, group: str = "") -> StateT:
        """Return the state of a run of a group without steps."""

    def advance(self, states: Sequence[StateT], raw_steps: Sequence[JsonValue]) -> list[tuple[StateT, Verdict]]:
        """Return next states and verdicts."""


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """One finished run with every score that the service would have used, S of them."""

    run: str
    task: str
    success: bool
    turns: NDArray[np.int32]
    """[S] agent actions so far."""
    actions: NDArray[np.int32]
    """[S] agent actions made by the raw step."""
    answered: NDArray[np.bool_]
    """[S] whether the open turn has had a reply so far."""
    risk: NDArray[np.float64]
    failure: NDArray[np.float64]
    score: NDArray[np.float64]
    """[S] raw failure logit."""
    group: str = ""
    """As the labelled run's."""

    @property
    def last_turn(self) -> int:
        """T, the number of turns."""
        return int(self.turns[-1])

    def closed_turns(self) -> NDArray[np.int64]:
        """Return the index of the last raw step of every opened turn, in order; what comes before the first action is
        no turn.
        """
        opened = np.flatnonzero(self.actions > 0)
        return np.append(opened[1:] - 1, self.turns.size - 1) if opened.size else np.zeros(0, np.int64)


@dataclass(slots=True)
class _Open:
    run: LabelledRun
    verdicts: list[Verdict] = field(default_factory=list)


def score_runs(
    monitor: Watcher[StateT], runs: Iterable[LabelledRun], batch_size: int = 64, answers: Adapter | None = None
) -> Iterator[ScoredRun]:
    """Yield runs scored in batches, the raw steps of each in order. Runs without a raw step are left out.

    `answers` reads which turns got a reply, for a monitor whose own adapter does not tell replies from the rest.
    """
    iterator = (run for run in runs if run.events)
    while group := [_Open(run) for run in islice(iterator, batch_size)]:
        states = [monitor.initial_state(item.run.group) for item in group]
        for index in range(max(len(item.run.events) for item in group)):
            live = [place for place, item in enumerate(group) if index < len(item.run.events)]
            results = monitor.advance(
                [states[place] for place in live], [group[place].run.events[index] for place in live]
            )
            for place, (state, verdict) in zip(live, results, strict=True):
                states[place] = state
                group[place].verdicts.append(verdict)
        yield from (_to_scored(item, answers) for item in group)


def find_answered(views: Iterable[StepView]) -> NDArray[np.bool_]:
    """Return for each raw step of a run whether the open turn has had a reply so far: bool [S]."""
    answered, replied = [], False
    for view in views:
        replied = (replied and view.actions == 0) or is_present(view.result) or bool(view.observation)
        answered.append(replied)
    return np.array(answered, np.bool_)


def _to_scored(item: _Open, answers: Adapter | None) -> ScoredRun:
    verdicts = item.verdicts
    views = (
        (verdict.view for verdict in verdicts)
        if answers is None
        else (answers.view(event)[0] for event in item.run.events)
    )
    return ScoredRun(
        item.run.run,
        item.run.task,
        item.run.success,
        np.array([verdict.turn for verdict in verdicts], np.int32),
        np.array([verdict.view.actions for verdict in verdicts], np.int32),
        find_answered(views),
        np.array([verdict.risk for verdict in verdicts]),
        np.array([verdict.failure_probability for verdict in verdicts]),
        np.array([verdict.score for verdict in verdicts]),
        item.run.group,
    )
