"""From StepViews to a scorer's inputs: hashed n-grams of each raw step, run-shape numbers, and whether a turn opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitors.features.ngrams import MAX_WORDS, NGRAM_FIELDS, Vocabulary, weigh_ngrams
from monitors.features.shape import MEMORY_SIZE, N_SHAPE, update_memory, write_shape
from monitors.stepview import StepView, to_text

ERROR_STATUSES = frozenset({"error", "failed", "failure", "tool_error", "exception", "timeout", "denied", "invalid"})
ROW_QUANTUM = 64
"""Rows are padded to a multiple of this, so that ONNX Runtime sees few distinct shapes."""


@dataclass(frozen=True, slots=True)
class StepFeatures:
    """One raw step as numbers."""

    rows: NDArray[np.int32]
    """[n] rows of the vocabulary that occur in this raw step; a row repeats where several fields hold it."""
    weights: NDArray[np.float32]
    """[n] their weights, of length 1 for each field that has any."""
    shape: NDArray[np.float32]
    """[N_SHAPE] run-shape numbers after this raw step."""
    opens: bool
    """True if this raw step opens a turn."""
    memory: NDArray[np.int64]
    """[MEMORY_SIZE] the run's memory after this raw step."""


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """One raw step of each of B runs, as a scorer takes them."""

    rows: NDArray[np.int64]
    """[B, L] vocabulary rows, 0 where padded."""
    weights: NDArray[np.float32]
    """[B, L] weights, 0 where padded."""
    shape: NDArray[np.float32]
    """[B, N_SHAPE] run-shape numbers."""
    opens: NDArray[np.float32]
    """[B] 1 if the raw step opens a turn, else 0."""


class Featuriser:
    """Turns one raw step at a time into numbers; all that it remembers of a run is the memory that it is given and
    gives back.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def initial_memory(self) -> NDArray[np.int64]:
        """Return the memory of a run without steps: int64 [MEMORY_SIZE]."""
        return np.zeros(MEMORY_SIZE, np.int64)

    def step(self, view: StepView, memory: NDArray[np.int64]) -> StepFeatures:
        """Return the numbers of one raw step after the steps that `memory` has seen. `memory` stays as it is. Uses
        nothing later.
        """
        text, ends = encode_fields(view)
        after = memory.copy()
        update_memory(after, text, ends, view.actions, view.status in ERROR_STATUSES)
        shape = np.empty(N_SHAPE, np.float32)
        write_shape(after, shape)
        room = min(2 * (text.size + len(NGRAM_FIELDS)), 2 * MAX_WORDS * len(NGRAM_FIELDS))
        rows, weights = np.empty(room, np.int32), np.empty(room, np.float32)
        count = weigh_ngrams(text, ends, self.vocabulary.row_of_slot, self.vocabulary.idf, rows, weights)
        return StepFeatures(rows[:count], weights[:count], shape, view.actions > 0, after)


def encode_fields(view: StepView) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a StepView's text fields as UTF-8 bytes, one after the other, and where each ends (int64 [5], order of
    NGRAM_FIELDS).
    """
    parts = [to_text(getattr(view, name)).encode("utf-8", "replace") for name in NGRAM_FIELDS]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return np.frombuffer(b"".join(parts), np.uint8), ends


def to_batch(features: Sequence[StepFeatures]) -> FeatureBatch:
    """Return the padded arrays of several raw steps: L is the longest row list, rounded up to ROW_QUANTUM."""
    longest = max((step.rows.size for step in features), default=0)
    width = max(ROW_QUANTUM, -(-longest // ROW_QUANTUM) * ROW_QUANTUM)
    rows = np.zeros((len(features), width), np.int64)
    weights = np.zeros((len(features), width), np.float32)
    for index, step in enumerate(features):
        rows[index, : step.rows.size] = step.rows
        weights[index, : step.weights.size] = step.weights
    shape = np.stack([step.shape for step in features])
    opens = np.array([step.opens for step in features], np.float32)
    return FeatureBatch(rows, weights, shape, opens)
