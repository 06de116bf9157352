"""What every scorer does, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from monitors.features.protocol import FeatureBatch

INPUT_NAMES = ("rows", "weights", "chunks", "shape", "opens", "state")
PADDED_INPUT_NAMES = ("rows", "weights", "shape", "opens", "state")
"""Of a graph from before there were chunks: rows and weights [B, L], as wide as the longest."""
OUTPUT_NAMES = ("risk_logit", "failure_logit", "symbol", "next_state")


@dataclass(frozen=True, slots=True)
class ScoreBatch:
    """Scores of one raw step of each of B runs. Logits: higher = more likely to fail, not calibrated."""

    risk_logit: NDArray[np.float32]
    """[B] of failing within the next h turns."""
    failure_logit: NDArray[np.float32]
    """[B] of failing in the end: the alert statistic."""
    symbol: NDArray[np.int64]
    """[B] event symbol, 0 … K - 1."""
    state: NDArray[np.float32]
    """[B, state_size] state after the raw step."""


RunScores: TypeAlias = tuple[ScoreBatch, Sequence[NDArray[np.float32]]]
"""Scores, and each run's next state [state_size] in an array of its own."""


def to_inputs(
    features: FeatureBatch, state: NDArray[np.float32] | None, names: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Return a graph's inputs by name, without the state where it is None: it comes from elsewhere. `names` is
    INPUT_NAMES or PADDED_INPUT_NAMES.
    """
    inputs: dict[str, NDArray[Any]] = {"shape": features.shape, "opens": features.opens}
    if state is not None:
        inputs["state"] = state
    if "chunks" in names:
        return {**inputs, "rows": features.rows, "weights": features.weights, "chunks": features.chunks}
    rows, weights = features.pad()
    return {**inputs, "rows": rows, "weights": weights}


class Scorer(Protocol):
    """Scores raw steps of many runs at once. A run's scores depend on that run alone; cost does not depend on how many
    steps it has had.
    """

    state_size: int
    device: str

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a run without steps: float32 [state_size], all zero."""

    def step(self, features: FeatureBatch, state: NDArray[np.float32]) -> ScoreBatch:
        """Return scores and next states; `state` is float32 [B, state_size] and stays as it is."""


@runtime_checkable
class KeepsStates(Protocol):
    """A scorer that may still have, where it computes, the states that it gave out."""

    def step_runs(self, features: FeatureBatch, states: Sequence[NDArray[np.float32]]) -> RunScores:
        """Return what `StepRuns` does."""


StepRuns: TypeAlias = Callable[[FeatureBatch, Sequence[NDArray[np.float32]]], RunScores]
"""Scores one raw step of each of B runs that hold a state [state_size] each, B > 0; the states stay as they are."""


def to_step_runs(scorer: Scorer) -> StepRuns:
    """Return how a scorer steps runs that hold their states themselves."""
    # Asked once: what a protocol asks of an object costs more than a small batch.
    return scorer.step_runs if isinstance(scorer, KeepsStates) else partial(_step_runs, scorer)


def _step_runs(scorer: Scorer, features: FeatureBatch, states: Sequence[NDArray[np.float32]]) -> RunScores:
    scores = scorer.step(features, stack_states(states))
    # Copies: a part of the array would keep the states of all the runs alive with its own.
    return scores, [state.copy() for state in scores.state]


def stack_states(states: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the states of B runs as [B, state_size]."""
    return np.concatenate(states).reshape(len(states), -1)
