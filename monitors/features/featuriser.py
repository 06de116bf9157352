"""Hashed n-grams of each raw step, run-shape numbers, and whether a turn opens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitors.features import shape, shape_v2, shape_v3
from monitors.features.chunks import to_chunks
from monitors.features.ngrams import NGRAM_FIELDS, Vocabulary, weigh_steps
from monitors.features.protocol import FeatureBatch, StepFeatures
from monitors.stepview import StepView, to_text

_SHAPES: dict[int, Any] = {shape.VERSION: shape, shape_v2.VERSION: shape_v2, shape_v3.VERSION: shape_v3}
SHAPE_VERSIONS = tuple(_SHAPES)

_Rows: TypeAlias = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]
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
        (rows, weights, _), shapes, actions, after = self._count((view,), (memory,))
        return StepFeatures(rows, weights, shapes[0], bool(actions[0] > 0), after[0])

    def step_batch(
        self, views: Sequence[StepView], memories: Sequence[NDArray[np.int64]]
    ) -> tuple[FeatureBatch, list[NDArray[np.int64]]]:
        """Return the numbers of one raw step of each of several runs, and their next memories, by three compiled calls
        in all: for texts of ordinary length the way in and out of compiled code is most of the work.
        """
        rows, shapes, actions, after = self._count(views, memories)
        batch = FeatureBatch(*to_chunks(*rows), shapes, (actions > 0).astype(np.float32))
        # Copies: a part of the array would keep the memories of all the runs alive with its own.
        return batch, [memory.copy() for memory in after]

    def _count(
        self, views: Sequence[StepView], memories: Sequence[NDArray[np.int64]]
    ) -> tuple[_Rows, NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Return rows, weights and offsets, run-shape numbers [B, n_shape], actions [B] and memories [B, M]."""
        text, ends = encode_views(views)
        actions = np.array([view.actions for view in views], np.int64)
        errors = np.array([view.status in ERROR_STATUSES for view in views], np.bool_)
        after = np.concatenate(memories).reshape(len(views), -1)
        shapes = np.empty((len(views), self.n_shape), np.float32)
        vocabulary = self.vocabulary
        rows, weights, offsets, words = weigh_steps(
            text, ends, vocabulary.known, vocabulary.row_of_slot, vocabulary.idf
        )
        self._shape.take_steps(after, text, ends, words, actions, errors, shapes)
        return (rows, weights, offsets), shapes, actions, after


def encode_fields(view: StepView) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a StepView's text fields as UTF-8 bytes, one after the other, and where each ends (int64 [5], order of
    NGRAM_FIELDS).
    """
    text, ends = encode_views((view,))
    return text, ends[0]


def encode_views(views: Sequence[StepView]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the text fields of B StepViews as UTF-8 bytes, one after the other, and where each ends (int64 [B, 5])."""
    parts: list[str] = []
    for view in views:
        parts += (view.observation, view.action, view.tool, to_text(view.args), to_text(view.result))
    # Part by part: one text that is not ASCII would make a joined one four times as wide.
    encoded = [part.encode("utf-8", "replace") for part in parts]
    ends = np.array(list(accumulate(map(len, encoded))), np.int64).reshape(-1, len(NGRAM_FIELDS))
    return np.frombuffer(b"".join(encoded), np.uint8), ends
