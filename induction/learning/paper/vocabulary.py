"""Which n-grams the paper's encoder knows: the 4,096 most frequent of the training turns, with smooth idf.

As scikit-learn's TfidfVectorizer chooses them (ties at the last place: the n-gram that was met first), but counted in a
table of bounded size while turns stream past: no text is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from induction.learning.labelled import LabelledRun
from monitors.adapter import Adapter
from monitors.features.activity import MAX_ACTIVITIES, name_activity
from monitors.features.compiling import choose_cache_dir
from monitors.features.tfidf import MAX_ROWS, TfidfVocabulary
from monitors.features.turn_text import render_raw_step
from monitors.features.words import hash_ngrams, letters, to_code_points

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

TABLE_PLACES = 1 << 21
"""Of the table of counts: 59 MB. Some 1.4 million distinct n-grams are counted exactly; beyond that the rarest are
dropped and start anew (lossy counting, Manku and Motwani 2002), which the most frequent 4,096 do not notice."""
MAX_LOAD = 0.7
_WORD = re.compile(r"\b\w\w+\b")


class NgramCounts:
    """Counts of n-grams by hash: in how many places, and in how many documents. Memory does not grow."""

    def __init__(self, places: int = 1 << 16, most_places: int = TABLE_PLACES) -> None:
        self.n_documents = 0
        self._most_places = most_places
        self._distinct = 0
        self._allocate(places)

    def _allocate(self, places: int) -> None:
        self._keys = np.zeros(places, np.uint64)
        self._counts, self._documents, self._last = (np.zeros(places, np.int32) for _ in range(3))
        self._order = np.zeros(places, np.int64)

    def add(self, text: str) -> None:
        """Count a document."""
        code_points, _ = to_code_points((text,))
        hashes, spans = np.empty(code_points.size + 1, np.uint64), np.empty((code_points.size + 1, 2), np.int64)
        found = hashes[: hash_ngrams(code_points, letters(), hashes, spans)]
        while self._distinct + found.size > MAX_LOAD * self._keys.size and self._can_make_room:
            self._make_room()
        self.n_documents += 1
        self._distinct = _count(
            found, self.n_documents, self._distinct, self._keys, self._counts, self._documents, self._last, self._order
        )

    @property
    def _can_make_room(self) -> bool:
        return self._distinct > 0 or self._keys.size < self._most_places

    def _make_room(self) -> None:
        """Grow; at full size, drop those that are no more frequent than the median."""
        known = np.flatnonzero(self._keys)
        if self._keys.size >= self._most_places:
            known = known[self._counts[known] > np.median(self._counts[known])]
        kept = [part[known] for part in (self._keys, self._counts, self._documents, self._last, self._order)]
        self._allocate(min(2 * self._keys.size, self._most_places))
        parts = (self._keys, self._counts, self._documents, self._last, self._order)
        self._distinct = known.size
        place: Any = _place
        place(*kept, *parts)

    def most_frequent(self, n: int) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
        """Return the hashes of the n most frequent n-grams, in the order in which they were first met, and the number
        of documents that hold each.
        """
        known = np.flatnonzero(self._keys)
        known = known[np.lexsort((self._order[known], -self._counts[known]))[:n]]
        known = known[np.argsort(self._order[known])]
        return self._keys[known], self._documents[known]


def fit_tfidf(texts: Iterable[str], max_rows: int = MAX_ROWS) -> TfidfVocabulary:
    """Return the vocabulary of some documents, its n-grams without their names."""
    counts = NgramCounts()
    for text in texts:
        counts.add(text)
    hashes, documents = counts.most_frequent(max_rows)
    idf = np.log((1.0 + counts.n_documents) / (1.0 + documents)) + 1.0
    return TfidfVocabulary.from_arrays(hashes, idf)


def turn_texts(runs: Iterable[LabelledRun], adapter: Adapter) -> Iterator[str]:
    """Yield the whole text of every turn, as the featuriser counts it once the turn is complete."""
    for run in runs:
        parts: list[str] = []
        acted = False
        for event in run.events:
            view, _ = adapter.view(event)
            if view.actions > 0:
                if acted:
                    yield " ".join(parts)
                parts, acted = [], True
            if acted:
                parts.append(render_raw_step(view))
        if acted:
            yield " ".join(parts)


def name_ngrams(vocabulary: TfidfVocabulary, texts: Iterable[str]) -> TfidfVocabulary:
    """Return the vocabulary with the names of its n-grams, as found in texts; "?" where none holds one."""
    row_of_hash = {int(value): row for row, value in enumerate(vocabulary.hashes)}
    names: dict[int, str] = {}
    for text in texts:
        if len(names) == vocabulary.n_rows:
            break
        rows, _, _ = vocabulary.transform((text,))
        if any(row not in names for row in rows.tolist()):
            names |= _find_names(text, row_of_hash)
    return TfidfVocabulary.from_arrays(
        vocabulary.hashes, vocabulary.idf, [names.get(row, "?") for row in range(vocabulary.n_rows)]
    )


def _find_names(text: str, row_of_hash: Mapping[int, int]) -> dict[int, str]:
    code_points, _ = to_code_points((text,))
    hashes, spans = np.empty(code_points.size + 1, np.uint64), np.empty((code_points.size + 1, 2), np.int64)
    count = hash_ngrams(code_points, letters(), hashes, spans)
    text = text.lower()  # ASCII keeps its length, and other text was measured in lower case
    found = {}
    for value, (start, end) in zip(hashes[:count].tolist(), spans[:count].tolist(), strict=True):
        row = row_of_hash.get(value)
        if row is not None and row not in found:
            found[row] = " ".join(_WORD.findall(text[start:end]))
    return found


def fit_activities(runs: Iterable[LabelledRun], adapter: Adapter) -> list[str]:
    """Return the most frequent activities of runs, at most MAX_ACTIVITIES, the most frequent first."""
    counts: Counter[str] = Counter()
    for run in runs:
        for event in run.events:
            view, _ = adapter.view(event)
            if view.actions > 0:
                counts[name_activity(view)] += 1
    return [name for name, _ in counts.most_common(MAX_ACTIVITIES)]


@njit(cache=True)
def _count(
    found: NDArray[np.uint64],
    document: int,
    distinct: int,
    keys: NDArray[np.uint64],
    counts: NDArray[np.int32],
    documents: NDArray[np.int32],
    last: NDArray[np.int32],
    order: NDArray[np.int64],
) -> int:
    mask = np.uint64(keys.size - 1)
    for value in found:
        place = (value >> np.uint64(1)) & mask
        while keys[place] != np.uint64(0) and keys[place] != value:
            place = (place + np.uint64(1)) & mask
        if keys[place] == np.uint64(0):
            keys[place] = value
            distinct += 1
            order[place] = np.int64(document) << 32 | distinct
        counts[place] += 1
        if last[place] != document:
            last[place] = document
            documents[place] += 1
    return distinct


@njit(cache=True)
def _place(
    old_keys: NDArray[np.uint64],
    old_counts: NDArray[np.int32],
    old_documents: NDArray[np.int32],
    old_last: NDArray[np.int32],
    old_order: NDArray[np.int64],
    keys: NDArray[np.uint64],
    counts: NDArray[np.int32],
    documents: NDArray[np.int32],
    last: NDArray[np.int32],
    order: NDArray[np.int64],
) -> None:
    mask = np.uint64(keys.size - 1)
    for index in range(old_keys.size):
        place = (old_keys[index] >> np.uint64(1)) & mask
        while keys[place] != np.uint64(0):
            place = (place + np.uint64(1)) & mask
        keys[place] = old_keys[index]
        counts[place] = old_counts[index]
        documents[place] = old_documents[index]
        last[place] = old_last[index]
        order[place] = old_order[index]
