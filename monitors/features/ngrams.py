"""Hashed word n-grams of raw steps, weighted and normalised per field, by one compiled pass over their bytes.

Words are those of `splitting`. Word 1- and 2-grams hash (FNV-1a, a seed for each field) into a table of slots; a slot
that training kept names a row of the embedding. Weights are (1 + ln tf) * idf, L2-normalised per raw step and field: a
field that has any known n-gram has length 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.features.compiling import choose_cache_dir
from monitors.features.splitting import FNV_BASIS, MAX_LONG_WORDS, FieldWords, split_words

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

NGRAM_FIELDS = ("observation", "action", "tool", "args", "result")
N_SLOTS = 1 << 18
MAX_WORDS = 4_096
"""Words read of one field; the rest is beyond what changes a score (20,000 characters are about 3,500 words)."""
N_LOGARITHMS = 64
"""Counts up to this have their logarithm at hand: a table is five times as quick as a call."""


@njit(cache=True, nogil=True)
def hash_ngrams(text: NDArray[np.uint8], seed: int, out: NDArray[np.int64]) -> int:
    """Write the slots of all word 1- and 2-grams of one field into `out` (int64, at least 2 * MAX_WORDS long); return
    how many.
    """
    words = np.empty(MAX_WORDS + 1, np.uint32)
    n_words, _, _ = split_words(text, _basis(seed), words, np.empty(1, np.uint32), np.empty(1, np.uint32))
    for index in range(n_words):
        out[index] = _slot(words[index])
    for index in range(1, n_words):
        out[n_words + index - 1] = _pair_slot(words[index - 1], words[index])
    return max(2 * n_words - 1, 0)


@njit(cache=True, nogil=True, inline="always")
def _basis(seed: int) -> int:
    return FNV_BASIS ^ (seed * 40503 + 1)


@njit(cache=True, nogil=True, inline="always")
def _pair_slot(left: np.uint32, right: np.uint32) -> int:
    return _slot(np.uint32(left * np.uint32(2654435761)) ^ right)


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
def weigh_steps(
    text: NDArray[np.uint8],
    ends: NDArray[np.int64],
    known: NDArray[np.uint64],
    row_of_slot: NDArray[np.int32],
    idf: NDArray[np.float32],
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64], FieldWords]:
    """Return (row, weight) of all known n-grams of B raw steps, one after the other, and where each raw step's start
    and end: int32 [n], float32 [n], int64 [B + 1]. Then the hashes of the words that the same pass has met.

    The fields of all raw steps stand one after the other in `text` and end at `ends` (int64 [B, F]). Inside a field
    rows stand in the order in which they first occur, and none repeats; over fields they may.
    """
    n_steps, n_fields = ends.shape
    flat_ends = ends.reshape(-1)
    sizes = flat_ends.copy()
    sizes[1:] -= flat_ends[:-1]
    # A field of n bytes has at most n n-grams: a word takes two bytes, with what parts it from the next. One place more
    # is written to and never kept.
    room = np.minimum(sizes, 2 * MAX_WORDS).sum()
    rows, weights = np.empty(room + 1, np.int32), np.empty(room + 1, np.float32)
    offsets = np.zeros(n_steps + 1, np.int64)
    words = np.empty(MAX_WORDS + 1, np.uint32)
    # A word of two bytes takes three, with what parts it from the next; one place more for `split_words`.
    hashes = np.empty((2, (text.size + flat_ends.size) // 3 + MAX_LONG_WORDS + 1), np.uint32)
    hash_ends = np.zeros((2, n_steps, n_fields), np.int64)
    found = np.empty(2 * MAX_WORDS + 1, np.int32)
    counts = np.zeros(idf.size, np.int32)
    logarithms = np.log(np.arange(1, N_LOGARITHMS))
    total, n_long, n_pairs, start = 0, 0, 0, 0
    for place in range(flat_ends.size):
        end = flat_ends[place]
        if end > start:
            room_long = hashes[0, n_long : n_long + MAX_LONG_WORDS + 1]
            room_pairs = hashes[1, n_pairs : n_pairs + MAX_LONG_WORDS + 1]
            n_words, more, more_pairs = split_words(
                text[start:end], _basis(place % n_fields), words, room_long, room_pairs
            )
            n_long += more
            n_pairs += more_pairs
            n_known = _find_rows(words, n_words, known, row_of_slot, found)
            first = total
            for row in found[:n_known]:
                rows[total] = row
                total += counts[row] == 0
                counts[row] += 1
            _weigh_counts(rows[first:total], counts, idf, logarithms, weights[first:total])
        start = end
        offsets[place // n_fields + 1] = total
        hash_ends[0, place // n_fields, place % n_fields] = n_long
        hash_ends[1, place // n_fields, place % n_fields] = n_pairs
    return rows[:total].copy(), weights[:total].copy(), offsets, (hashes, hash_ends)


@njit(cache=True, nogil=True)
def _find_rows(
    words: NDArray[np.uint32],
    n_words: int,
    known: NDArray[np.uint64],
    row_of_slot: NDArray[np.int32],
    found: NDArray[np.int32],
) -> int:
    """Write the rows of all known 1- and 2-grams of some words; return how many. Without a branch: about half of them
    are known, and no processor guesses which.
    """
    n_known = 0
    previous = np.uint32(0)
    for index in range(n_words):
        slot = _slot(words[index])
        found[n_known] = slot
        n_known += _is_known(known, slot)
        slot = _pair_slot(previous, words[index])
        found[n_known] = slot
        n_known += _is_known(known, slot) & (index > 0)
        previous = words[index]
    for index in range(n_known):
        found[index] = row_of_slot[found[index]]
    return n_known


@njit(cache=True, nogil=True, inline="always")
def _is_known(known: NDArray[np.uint64], slot: int) -> int:
    return int((known[slot >> 6] >> np.uint64(slot & 63)) & np.uint64(1))


@njit(cache=True, nogil=True)
def _weigh_counts(
    rows: NDArray[np.int32],
    counts: NDArray[np.int32],
    idf: NDArray[np.float32],
    logarithms: NDArray[np.float64],
    weights: NDArray[np.float32],
) -> None:
    """Write the weights of one field's rows, and clear their counts."""
    squares = 0.0
    for index in range(rows.size):
        row = rows[index]
        count = counts[row]
        counts[row] = 0
        weight = (1.0 + (logarithms[count - 1] if count < N_LOGARITHMS else np.log(count))) * idf[row]
        weights[index] = weight
        squares += weight * weight
    scale = 1.0 / np.sqrt(squares) if rows.size else 0.0
    for index in range(rows.size):
        weights[index] *= scale


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The n-grams that training kept: slot → row (int32 [N_SLOTS], -1 = unknown) and each row's idf (float32 [n_rows],
    > 0).
    """

    row_of_slot: NDArray[np.int32]
    idf: NDArray[np.float32]
    known: NDArray[np.uint64]
    """[N_SLOTS / 64] one bit a slot: 32 KB that stay at hand, while each unknown n-gram misses a cache in a table of
    rows.
    """

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

    def take(self, rows: NDArray[np.int64]) -> Vocabulary:
        """Return the vocabulary of these rows alone, in this order."""
        return Vocabulary.from_arrays(self.to_arrays()["slots"][rows], self.idf[rows])

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
        known = np.packbits(row_of_slot >= 0, bitorder="little").view("<u8").astype(np.uint64)
        return Vocabulary(row_of_slot, np.ascontiguousarray(idf, np.float32), known)
