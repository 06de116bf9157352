"""Which word n-grams a monitor knows: those that several tasks use, with their inverse document frequency over raw
steps.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from induction.learning.labelled import LabelledRun
from monitors.adapter import Adapter
from monitors.features.featuriser import encode_fields
from monitors.features.ngrams import MAX_WORDS, N_SLOTS, NGRAM_FIELDS, Vocabulary, hash_ngrams

MAX_ROWS = 1 << 15
"""Rows kept, the most frequent first: 32,768 rows of 32 float32 are 4 MB of graph."""


def fit_vocabulary(
    runs: Iterable[LabelledRun], adapter: Adapter, *, min_tasks: int = 3, max_rows: int = MAX_ROWS
) -> Vocabulary:
    """Return the n-grams that occur in at least `min_tasks` tasks, at most `max_rows` of them, weighted ln((1 + n) / (1
    + df)) + 1.

    Names and ids of one customer or one task never become features that way. Document = raw step. With few tasks (under
    30) two are enough.
    """
    steps_with = np.zeros(N_SLOTS, np.int64)
    seen_by_task: dict[str, NDArray[np.bool_]] = {}
    n_steps = 0
    buffer = np.empty(2 * MAX_WORDS, np.int64)
    for run in runs:
        seen = seen_by_task.setdefault(run.task, np.zeros(N_SLOTS, np.bool_))
        for event in run.events:
            slots = _step_slots(event, adapter, buffer)
            steps_with[slots] += 1
            seen[slots] = True
            n_steps += 1
    tasks_with = np.zeros(N_SLOTS, np.int32)
    for seen in seen_by_task.values():
        tasks_with += seen
    needed = min(min_tasks, 2) if len(seen_by_task) < 30 else min_tasks
    kept = np.flatnonzero(tasks_with >= needed)
    if kept.size > max_rows:
        kept = np.sort(kept[np.argsort(-steps_with[kept], kind="stable")[:max_rows]])
    idf = np.log((1.0 + n_steps) / (1.0 + steps_with[kept])) + 1.0
    return Vocabulary.from_arrays(kept.astype(np.int32), idf.astype(np.float32))


def _step_slots(event: object, adapter: Adapter, buffer: NDArray[np.int64]) -> NDArray[np.int64]:
    view, _ = adapter.view(event)  # type: ignore[arg-type]
    text, ends = encode_fields(view)
    found = []
    start = 0
    for field in range(len(NGRAM_FIELDS)):
        count = hash_ngrams(text[start : ends[field]], field, buffer)
        found.append(buffer[:count].copy())
        start = int(ends[field])
    return np.unique(np.concatenate(found))
