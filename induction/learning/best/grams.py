"""Runs' n-grams and run-shape numbers on disk: written once, read a run at a time, so that memory does not grow with
them.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitors.features import shape_v3


@dataclass(frozen=True, slots=True)
class Grams:
    """What one run of S raw steps says, before anything is known of a vocabulary."""

    offsets: NDArray[np.int64]
    """[S + 1] where each raw step's slots start and end."""
    shape: NDArray[np.float32]
    """[S, shape_v3.N_SHAPE]"""
    slots: NDArray[np.int32]
    """[n] distinct slots of each raw step and field, one after the other."""
    counts: NDArray[np.uint16]
    """[n] how often each occurs there."""
    fields: NDArray[np.int8]
    """[n] place in NGRAM_FIELDS."""


@dataclass(frozen=True, slots=True)
class StoredGrams:
    """Where a run's n-grams are."""

    file: GramFile
    place: int
    """First byte."""
    n_steps: int
    n_slots: int

    def read(self) -> Grams:
        """Return them, read anew."""
        return self.file.read(self)


class GramFile:
    """Runs' n-grams in one unnamed file in the folder for temporary files, gone with the last that knows it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="forewarn-grams-")  # noqa: SIM115 - closed by the finaliser
        weakref.finalize(self, self._file.close)

    def add(self, grams: Grams) -> StoredGrams:
        """Append a run's."""
        place = self._file.seek(0, os.SEEK_END)
        # The widest first: every array starts where its type may.
        for part in (grams.offsets, grams.shape, grams.slots, grams.counts, grams.fields):
            self._file.write(np.ascontiguousarray(part).tobytes())
        self._file.flush()
        return StoredGrams(self, place, len(grams.shape), grams.slots.size)

    def read(self, stored: StoredGrams) -> Grams:
        """Return a run's. Read by position, not mapped: mapped pages would count as this process's memory."""
        steps, n = stored.n_steps, stored.n_slots
        ends = np.cumsum([8 * (steps + 1), 4 * steps * shape_v3.N_SHAPE, 4 * n, 2 * n, n])
        raw = os.pread(self._file.fileno(), int(ends[-1]), stored.place)
        return Grams(
            np.frombuffer(raw, np.int64, steps + 1),
            np.frombuffer(raw, np.float32, steps * shape_v3.N_SHAPE, ends[0]).reshape(steps, shape_v3.N_SHAPE),
            np.frombuffer(raw, np.int32, n, ends[1]),
            np.frombuffer(raw, np.uint16, n, ends[2]),
            np.frombuffer(raw, np.int8, n, ends[3]),
        )
