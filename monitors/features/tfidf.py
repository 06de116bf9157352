"""TF-IDF of turns over a fitted vocabulary: scikit-learn's numbers, counted in one compiled pass as the turn grows.

Word 1- and 2-grams of the turn's text, raw counts times idf, L2 norm 1 (paper, section 4: max_features 4096, smooth
idf). The counts of the open turn are kept in the run's memory, exactly, so that a raw step costs its own text plus the
turn's distinct n-grams and never the text before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.features.compiling import choose_cache_dir
from monitors.features.protocol import TURNS, FeatureBatch, StepFeatures, step_each
from monitors.features.turn_text import render_raw_step
from monitors.features.words import CodePoints, letters, next_word, pair_hash, to_code_points
from monitors.stepview import StepView

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

MAX_ROWS = 4_096
"""Of a vocabulary, and so the bound of an open turn's distinct n-grams: 16 KB of memory at the very most."""
MAX_COUNT = 0xFFFF
"""An n-gram is counted no further inside one turn."""
N_SHAPE = 1
"""ln(1 + turns): here for the protocol, unused by the paper's networks."""

_ROW_BITS = np.uint64(0xFFF)
"""Of a place in the table: 52 bits of the n-gram's hash, then its row."""

# The memory: TURNS, the last word's hash (0 = none), how many entries; then two entries (row << 16 | count) a place.
_LAST_WORD, _ENTRIES, _FIRST = 1, 2, 3


@dataclass(frozen=True, slots=True)
class TfidfVocabulary:
    """The n-grams that training kept, as hashes, and their idf, by row."""

    hashes: NDArray[np.uint64]
    """[n_rows] 64 bits each, never without a bit among the first 52."""
    idf: NDArray[np.float64]
    """[n_rows] > 0."""
    names: tuple[str, ...]
    """The n-grams themselves, for people; empty if they were not kept."""
    table: NDArray[np.uint64]
    """[a power of two] n-grams by the first bits of their hashes, open addressing; 0 = free."""

    @property
    def n_rows(self) -> int:
        """Number of known n-grams."""
        return int(self.idf.size)

    @staticmethod
    def from_arrays(hashes: NDArray[np.uint64], idf: NDArray[np.float64], names: Sequence[str] = ()) -> TfidfVocabulary:
        """Return the vocabulary of some n-grams. Raises ValueError for arrays that do not fit one."""
        n_rows = hashes.size
        fits = hashes.shape == idf.shape and hashes.ndim == 1 and n_rows <= MAX_ROWS and len(names) in {0, n_rows}
        if (
            not fits
            or np.unique(hashes).size != n_rows
            or (n_rows and not (hashes.min() > _ROW_BITS and idf.min() > 0))
        ):
            raise ValueError(f"a TF-IDF vocabulary has at most {MAX_ROWS} distinct hashes, and as many idf and names")
        # At most one place in sixteen is taken, so that an n-gram is found or missed at the first look, most times.
        table = np.zeros(1 << max(10, (16 * n_rows - 1).bit_length()), np.uint64)
        kept = np.ascontiguousarray(hashes, np.uint64)
        _fill_table(kept, table)
        return TfidfVocabulary(kept, np.ascontiguousarray(idf, np.float64), tuple(names), table)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_arrays` reads."""
        return {"hashes": self.hashes, "idf": self.idf, "names": np.array(self.names, np.str_)}

    def transform(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
        """Return rows [n], weights [n] and offsets [N + 1] of N whole texts, as scikit-learn's TfidfVectorizer would
        (tested to 1e-6); the rows of a text are in the order in which they first occur.
        """
        rows, weights, sizes = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)], [np.zeros(1, np.int64)]
        for start in range(0, len(texts), _CHUNK):
            text, ends = to_code_points(texts[start : start + _CHUNK])
            found = weigh_texts(text, ends, letters(), self.table, self.idf)
            rows.append(found[0])
            weights.append(found[1])
            sizes.append(found[2])
        return np.concatenate(rows), np.concatenate(weights), np.cumsum(np.concatenate(sizes))

    def weigh_turn(
        self, text: str, memory: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
        """Return rows, weights and memory of a turn that had come as far as `memory` and now goes on with `text`."""
        code_points, _ = to_code_points((text,))
        found: tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]] = weigh_turn(
            code_points, memory, letters(), self.table, self.idf
        )
        return found


_CHUNK = 128
"""Texts that are counted in one call: those of one chunk are four bytes a character if one of them is not ASCII."""
_NO_MEMORY = np.zeros(_FIRST, np.int64)


class TfidfFeaturiser:
    """TF-IDF of the open turn so far, from the raw step's words and the counts in the run's memory.

    Before the first action there is no turn, hence no rows. The memory is int64 [3 + ceil(distinct n-grams / 2)]: it
    grows with the open turn up to 3 + MAX_ROWS / 2, where the vocabulary ends, and falls back when the next one opens.
    """

    kind = "tfidf"
    n_shape = N_SHAPE

    def __init__(self, vocabulary: TfidfVocabulary) -> None:
        self.vocabulary = vocabulary
        self.n_rows = vocabulary.n_rows

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the vocabulary's arrays."""
        return self.vocabulary.to_arrays()

    def initial_memory(self) -> NDArray[np.int64]:
        """Return the memory of a run without steps: int64 [3]."""
        return _NO_MEMORY.copy()

    def step(self, view: StepView, memory: NDArray[np.int64]) -> StepFeatures:
        """Return the numbers of the open turn after one more raw step. `memory` stays as it is. Uses nothing later."""
        opens = view.actions > 0
        turns = int(memory[TURNS]) + view.actions
        text = render_raw_step(view) if turns else ""
        rows, weights, after = self.vocabulary.weigh_turn(text, _NO_MEMORY if opens else memory)
        after[TURNS] = turns
        return StepFeatures(rows, weights, np.array([np.log1p(turns)], np.float32), opens, after)

    def step_batch(
        self, views: Sequence[StepView], memories: Sequence[NDArray[np.int64]]
    ) -> tuple[FeatureBatch, list[NDArray[np.int64]]]:
        """Return the numbers of one raw step of each of several runs, and their next memories."""
        return step_each(self, views, memories)


@njit(cache=True, nogil=True, inline="always")
def _first_place(value: np.uint64, size: int) -> np.uint64:
    return np.uint64((value >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32)


@njit(cache=True, nogil=True)
def _fill_table(hashes: NDArray[np.uint64], table: NDArray[np.uint64]) -> None:
    last = np.uint64(table.size - 1)
    for row in range(hashes.size):
        place = _first_place(hashes[row], table.size)
        while table[place] != np.uint64(0):
            place = (place + np.uint64(1)) & last
        table[place] = (hashes[row] & ~_ROW_BITS) | np.uint64(row)


@njit(cache=True, nogil=True, inline="always")
def _find_row(value: np.uint64, table: NDArray[np.uint64], unknown: int) -> np.int64 | int:
    place = _first_place(value, table.size)
    entry = table[place]
    while entry != np.uint64(0) and (entry ^ value) > _ROW_BITS:
        place = (place + np.uint64(1)) & np.uint64(table.size - 1)
        entry = table[place]
    return np.int64(entry & _ROW_BITS) if entry != np.uint64(0) else unknown


@njit(cache=True, nogil=True)
def _count_ngrams(
    text: CodePoints,
    start: int,
    end: int,
    previous: np.uint64,
    found: int,
    counts: NDArray[np.int32],
    rows: NDArray[np.int32],
    small: NDArray[np.uint32],
    table: NDArray[np.uint64],
) -> tuple[int, np.uint64]:
    """Count the n-grams of text[start:end] after the word `previous` (0 = none); list new rows in `rows` from `found`
    on. Return how many rows there are, and the last word.

    `counts` and `rows` have one place more than the vocabulary, for unknown n-grams: they are counted there, which is
    quicker than to ask whether an n-gram is known.
    """
    unknown = counts.size - 1
    counts[unknown] = 1
    position = start
    while position < end:
        word, position = next_word(text, position, end, small)
        if word == np.uint64(0):
            break
        row = _find_row(word, table, unknown)
        rows[found] = row
        found += counts[row] == 0
        counts[row] = min(counts[row] + 1, MAX_COUNT)
        if previous != np.uint64(0):
            row = _find_row(pair_hash(previous, word), table, unknown)
            rows[found] = row
            found += counts[row] == 0
            counts[row] = min(counts[row] + 1, MAX_COUNT)
        previous = word
    return found, previous


@njit(cache=True, nogil=True)
def _weigh_counts(
    rows: NDArray[np.int32], counts: NDArray[np.int32], idf: NDArray[np.float64], weights: NDArray[np.float32]
) -> None:
    squares = 0.0
    for index in range(rows.size):
        weight = counts[rows[index]] * idf[rows[index]]
        weights[index] = weight
        squares += weight * weight
    scale = 1.0 / np.sqrt(squares) if rows.size else 0.0
    for index in range(rows.size):
        weights[index] *= scale


@njit(cache=True, nogil=True)
def weigh_turn(
    text: CodePoints,
    memory: NDArray[np.int64],
    small: NDArray[np.uint32],
    table: NDArray[np.uint64],
    idf: NDArray[np.float64],
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
    """Return rows, weights (L2 norm 1) and the memory of a turn that had come as far as `memory` and now goes on with
    `text`, as if there were a space between. O(text + distinct n-grams of the turn).
    """
    counts = np.zeros(idf.size + 1, np.int32)
    known = memory[_ENTRIES]
    rows = np.empty(min(idf.size, known + text.size) + 1, np.int32)
    for index in range(known):
        entry = (memory[_FIRST + index // 2] >> (32 * (index % 2))) & 0xFFFFFFFF
        rows[index] = entry >> 16
        counts[entry >> 16] = entry & MAX_COUNT
    last = np.uint64(memory[_LAST_WORD])
    found, last = _count_ngrams(text, 0, text.size, last, known, counts, rows, small, table)
    weights = np.empty(found, np.float32)
    _weigh_counts(rows[:found], counts, idf, weights)
    after = np.zeros(_FIRST + (found + 1) // 2, np.int64)
    after[TURNS], after[_LAST_WORD], after[_ENTRIES] = memory[TURNS], np.int64(last), found
    for index in range(found):
        entry = np.int64(rows[index]) << 16 | np.int64(counts[rows[index]])
        after[_FIRST + index // 2] |= entry << (32 * (index % 2))
    return rows[:found].copy(), weights, after


@njit(cache=True, nogil=True)
def weigh_texts(
    text: CodePoints,
    ends: NDArray[np.int64],
    small: NDArray[np.uint32],
    table: NDArray[np.uint64],
    idf: NDArray[np.float64],
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
    """Return rows, weights and numbers of rows of whole texts that stand one after the other and end at `ends`."""
    counts, longest = np.zeros(idf.size + 1, np.int32), np.empty(idf.size + 1, np.int32)
    # A word takes at least three characters with what parts it from the next, and ends at most two n-grams.
    room = 2 * (text.size // 3 + ends.size) + 1
    rows, weights = np.empty(room, np.int32), np.empty(room, np.float32)
    sizes = np.zeros(ends.size, np.int64)
    start, total = 0, 0
    for index in range(ends.size):
        end = ends[index]
        found, _ = _count_ngrams(text, start, end, np.uint64(0), 0, counts, longest, small, table)
        rows[total : total + found] = longest[:found]
        _weigh_counts(longest[:found], counts, idf, weights[total : total + found])
        for place in range(found):
            counts[longest[place]] = 0
        start, total = end, total + found
        sizes[index] = found
    return rows[:total].copy(), weights[:total].copy(), sizes
