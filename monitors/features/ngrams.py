"""Hashed word n-grams of a raw step, weighted and normalised per field, by one compiled pass over its bytes.

A word is a run of ASCII letters (lower-cased), digits, '_' and bytes of multi-byte characters. Word 1- and 2-grams hash
(FNV-1a, a seed for each field) into a table of slots; a slot that training kept names a row of the embedding. Weights
are (1 + ln tf) * idf, L2-normalised per raw step and field: a field that has any known n-gram has length 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.features.compiling import choose_cache_dir

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

NGRAM_FIELDS = ("observation", "action", "tool", "args", "result")
N_SLOTS = 1 << 18
MAX_WORDS = 4_096
"""Words read of one field; the rest is beyond what changes a score (20,000 characters are about 3,500 words)."""


@njit(cache=True, nogil=True)
def hash_ngrams(text: NDArray[np.uint8], seed: int, out: NDArray[np.int64]) -> int:
    """Write the slots of all word 1- and 2-grams of one field into `out` (int64, at least 2 * MAX_WORDS long); return
    how many.
    """
    n_out = 0
    n_words = 0
    basis = np.uint32(2166136261) ^ np.uint32(seed * 40503 + 1)
    word = basis
    previous = np.uint32(0)
    has_previous = False
    inside = False
    for position in range(text.size + 1):
        byte = np.uint32(32)
        if position < text.size:
            byte = np.uint32(text[position])
        if 65 <= byte <= 90:
            byte += np.uint32(32)
        if (97 <= byte <= 122) or (48 <= byte <= 57) or byte == 95 or byte >= 128:
            word = np.uint32((word ^ byte) * np.uint32(16777619))
            inside = True
            continue
        if not inside:
            continue
        out[n_out] = _slot(word)
        n_out += 1
        if has_previous:
            out[n_out] = _slot(np.uint32(previous * np.uint32(2654435761)) ^ word)
            n_out += 1
        previous = word
        has_previous = True
        word = basis
        inside = False
        n_words += 1
        if n_words >= MAX_WORDS:
            break
    return n_out


@njit(cache=True, nogil=True, inline="always")
def _slot(value: np.uint32) -> int:
    # The finaliser of MurmurHash3: FNV's low bits alone are too regular for a power-of-two table.
    mixed = np.uint32(value)
    mixed ^= mixed >> np.uint32(16)
    mixed = np.uint32(mixed * np.uint32(0x85EBCA6B))
    mixed ^= mixed >> np.uint32(13)
    mixed = np.uint32(mixed * np.uint32(0xC2B2AE35))
    mixed ^= mixed >> np.uint32(16)
    return int(mixed & np.uint32(N_SLOTS - 1))


@njit(cache=True, nogil=True)
def weigh_ngrams(
    text: NDArray[np.uint8],
    ends: NDArray[np.int64],
    row_of_slot: NDArray[np.int32],
    idf: NDArray[np.float32],
    rows: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> int:
    """Write (row, weight) of all known n-grams of one raw step, its fields concatenated in `text` and ending at `ends`;
    return how many.

    `rows` and `weights` need room for 2 * MAX_WORDS entries a field. Rows may repeat over fields, never inside one.
    """
    slots = np.empty(2 * MAX_WORDS, np.int64)
    total = 0
    start = 0
    for field in range(ends.size):
        end = ends[field]
        if end <= start:
            continue
        n_slots = hash_ngrams(text[start:end], field, slots)
        start = end
        n_known = 0
        for index in range(n_slots):
            row = row_of_slot[slots[index]]
            if row >= 0:
                slots[n_known] = row
                n_known += 1
        if n_known == 0:
            continue
        known = np.sort(slots[:n_known])
        first = total
        squares = 0.0
        index = 0
        while index < n_known:
            row = known[index]
            count = 1
            while index + count < n_known and known[index + count] == row:
                count += 1
            weight = (1.0 + np.log(count)) * idf[row]
            rows[total] = row
            weights[total] = weight
            squares += weight * weight
            total += 1
            index += count
        scale = 1.0 / np.sqrt(squares)
        for index in range(first, total):
            weights[index] *= scale
    return total


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The n-grams that training kept: slot → row (int32 [N_SLOTS], -1 = unknown) and each row's idf (float32 [n_rows],
    > 0).
    """

    row_of_slot: NDArray[np.int32]
    idf: NDArray[np.float32]

    @property
    def n_rows(self) -> int:
        """Number of known n-grams."""
        return int(self.idf.size)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_arrays` reads: the kept slots in row order (int32) and the idf."""
        slots = np.empty(self.n_rows, np.int32)
        known = np.flatnonzero(self.row_of_slot >= 0)
        slots[self.row_of_slot[known]] = known
        return {"slots": slots, "idf": self.idf}

    @staticmethod
    def from_arrays(slots: NDArray[np.int32], idf: NDArray[np.float32]) -> Vocabulary:
        """Return the vocabulary whose row i is slot `slots[i]` with weight `idf[i]`. Raises ValueError for arrays that
        do not fit.
        """
        if (
            slots.shape != idf.shape
            or slots.ndim != 1
            or (slots.size and not (slots.min() >= 0 and slots.max() < N_SLOTS))
        ):
            raise ValueError("a vocabulary needs equally long slots (0 … N_SLOTS - 1) and idf")
        row_of_slot = np.full(N_SLOTS, -1, np.int32)
        row_of_slot[slots] = np.arange(slots.size, dtype=np.int32)
        return Vocabulary(row_of_slot, np.ascontiguousarray(idf, np.float32))
