"""Hashed n-grams of each raw step, run-shape numbers, and whether a turn opens."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.features import shape, shape_v2, shape_v3
from monitors.features.ngrams import MAX_WORDS, NGRAM_FIELDS, Vocabulary, weigh_ngrams
from monitors.features.protocol import StepFeatures
from monitors.stepview import StepView, to_text

_SHAPES: dict[int, Any] = {shape.VERSION: shape, shape_v2.VERSION: shape_v2, shape_v3.VERSION: shape_v3}
SHAPE_VERSIONS = tuple(_SHAPES)

ERROR_STATUSES = frozenset({"error", "failed", "failure", "tool_error", "exception", "timeout", "denied", "invalid"})


class NgramFeaturiser:
    """Hashed word 1- and 2-grams of the raw step, and run-shape numbers from a memory of fixed size."""

    kind = "ngrams"

    def __init__(self, vocabulary: Vocabulary, shape_version: int = shape.VERSION) -> None:
        """Make run-shape numbers of version 1, 2 or 3."""
        self.vocabulary = vocabulary
        self.n_rows = vocabulary.n_rows
        self.shape_version = shape_version
        self._shape = _SHAPES[shape_version]
        self.n_shape = self._shape.N_SHAPE

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the vocabulary's arrays."""
        return self.vocabulary.to_arrays()

    def initial_memory(self) -> NDArray[np.int64]:
        """Return the memory of a run without steps: int64 [M]."""
        return np.zeros(self._shape.MEMORY_SIZE, np.int64)

    def step(self, view: StepView, memory: NDArray[np.int64]) -> StepFeatures:
        """Return the numbers of one raw step after the steps that `memory` has seen. `memory` stays as it is. Uses
        nothing later.
        """
        text, ends = encode_fields(view)
        after = memory.copy()
        self._shape.update_memory(after, text, ends, view.actions, view.status in ERROR_STATUSES)
        numbers = np.empty(self.n_shape, np.float32)
        self._shape.write_shape(after, numbers)
        room = min(2 * (text.size + len(NGRAM_FIELDS)), 2 * MAX_WORDS * len(NGRAM_FIELDS))
        rows, weights = np.empty(room, np.int32), np.empty(room, np.float32)
        count = weigh_ngrams(text, ends, self.vocabulary.row_of_slot, self.vocabulary.idf, rows, weights)
        return StepFeatures(rows[:count], weights[:count], numbers, view.actions > 0, after)


def encode_fields(view: StepView) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a StepView's text fields as UTF-8 bytes, one after the other, and where each ends (int64 [5], order of
    NGRAM_FIELDS).
    """
    parts = [to_text(getattr(view, name)).encode("utf-8", "replace") for name in NGRAM_FIELDS]
    # Not np.cumsum: on five numbers it takes three times as long as this.
    ends = np.array(list(accumulate(map(len, parts))), np.int64)
    return np.frombuffer(b"".join(parts), np.uint8), ends
