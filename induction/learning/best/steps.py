"""Raw steps of finished runs: n-gram counts and run-shape numbers on disk, turns in memory; read once a corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from induction.learning.best.grams import GramFile, Grams, StoredGrams
from induction.learning.labelled import LabelledCorpus, LabelledRun, identify_files
from monitors.adapter import Adapter, compile_adapter
from monitors.features import shape_v3
from monitors.features.featuriser import ERROR_STATUSES, encode_fields
from monitors.features.ngrams import MAX_WORDS, NGRAM_FIELDS, hash_ngrams
from monitors.features.protocol import TURNS


@dataclass(frozen=True, slots=True)
class CountedRun:
    """One run of S raw steps."""

    run: str
    task: str
    success: bool
    fold: int
    grams: StoredGrams
    """On disk: what it says."""
    opens: NDArray[np.bool_]
    """[S] whether the raw step opens a turn."""
    turns: NDArray[np.int64]
    """[S] agent actions so far."""

    def to_labelled(self) -> LabelledRun:
        """Return what is known of the run beside its raw steps."""
        return LabelledRun(self.run, self.task, self.success, self.fold, [])


def count_runs(corpus: LabelledCorpus, keep: Callable[[str, int], bool]) -> list[CountedRun]:
    """Return the runs whose (task, fold) `keep` takes. A corpus that was read last is not read again.

    Raises NoRunsError.
    """
    key, among, everything = _to_key(corpus), corpus.among, replace(corpus, among=None)
    with _lock:
        if key not in _read_last:
            # Before the next corpus is read, the file of the last one goes, unless a fit still learns from it.
            _read_last.clear()
            adapter, file = compile_adapter(corpus.spec), GramFile()
            _read_last[key] = [_count(run, adapter, file) for run in everything.runs() if run.events]
        return [
            run for run in _read_last[key] if keep(run.task, run.fold) and (among is None or among(run.to_labelled()))
        ]


_lock = Lock()
_read_last: dict[str, list[CountedRun]] = {}
"""The last corpus by what it was read from: the five fits of a benchmark's corpus read it once. Outcomes of runs that
a fit may not use are in it, and never leave `count_runs`."""


def _to_key(corpus: LabelledCorpus) -> str:
    digest = hashlib.sha256(corpus.spec.to_json())
    for path in (corpus.raw, corpus.outcomes):
        digest.update(f"|{corpus.split}|{path}|".encode())
        for part in [] if path is None else identify_files(path):
            digest.update(part + b"|")
    return digest.hexdigest()


def _count(run: LabelledRun, adapter: Adapter, file: GramFile) -> CountedRun:
    memory = np.zeros(shape_v3.MEMORY_SIZE, np.int64)
    shape = np.empty((len(run.events), shape_v3.N_SHAPE), np.float32)
    buffer = np.empty(2 * MAX_WORDS, np.int64)
    slots, counts, fields, sizes, opens, turns = [], [], [], [], [], []
    for index, event in enumerate(run.events):
        view, _ = adapter.view(event)
        text, ends = encode_fields(view)
        shape_v3.update_memory(memory, text, ends, view.actions, view.status in ERROR_STATUSES)
        shape_v3.write_shape(memory, shape[index])
        turns.append(int(memory[TURNS]))
        opens.append(view.actions > 0)
        start = size = 0
        for field in range(len(NGRAM_FIELDS)):
            n_slots = hash_ngrams(text[start : ends[field]], field, buffer)
            found, times = np.unique(buffer[:n_slots], return_counts=True)
            slots.append(found.astype(np.int32))
            counts.append(np.minimum(times, 65_535).astype(np.uint16))
            fields.append(np.full(found.size, field, np.int8))
            size += found.size
            start = int(ends[field])
        sizes.append(size)
    grams = Grams(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        shape,
        np.concatenate(slots),
        np.concatenate(counts),
        np.concatenate(fields),
    )
    return CountedRun(
        run.run,
        run.task,
        run.success,
        run.fold,
        file.add(grams),
        np.array(opens, np.bool_),
        np.array(turns, np.int64),
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """All raw steps of R runs, S in all, in turn groups, G in all. A group is what comes before the first action, or
    one opened turn.
    """

    runs: list[CountedRun]
    run: NDArray[np.int64]
    """[S] index of the run."""
    turns: NDArray[np.int64]
    """[S] agent actions so far."""
    shape: NDArray[np.float32]
    """[S, n_shape]"""
    starts: NDArray[np.int64]
    """[R + 1] where each run's raw steps start and end."""
    group: NDArray[np.int64]
    """[S] the raw step's group."""
    group_first: NDArray[np.int64]
    """[G] its first raw step."""
    group_last: NDArray[np.int64]
    """[G] its last raw step."""
    group_run: NDArray[np.int64]
    """[G] its run."""
    group_place: NDArray[np.int64]
    """[G] its place in the run, from 0."""
    group_starts: NDArray[np.int64]
    """[R + 1] where each run's groups start and end."""
    fails: NDArray[np.bool_]
    """[R]"""
    last_turn: NDArray[np.int64]
    """[R] T, the number of turns."""

    @property
    def closes(self) -> NDArray[np.bool_]:
        """[S] whether the raw step is the last of an opened turn."""
        closes = np.zeros(self.run.size, np.bool_)
        closes[self.group_last] = True
        return closes & (self.turns > 0)

    @property
    def turns_left(self) -> NDArray[np.int64]:
        """[S] turns still to come."""
        return self.last_turn[self.run] - self.turns


def to_steps(runs: list[CountedRun]) -> Steps:
    """Return the runs' raw steps, one run after the other."""
    sizes = np.array([run.turns.size for run in runs])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    run_of_step = np.repeat(np.arange(len(runs)), sizes)
    begins = np.concatenate([run.opens for run in runs])
    begins[starts[:-1]] = True
    group_first = np.flatnonzero(begins)
    group_run = run_of_step[group_first]
    group_starts = np.searchsorted(group_run, np.arange(len(runs) + 1))
    shape = np.empty((run_of_step.size, shape_v3.N_SHAPE), np.float32)
    for place, run in enumerate(runs):
        shape[starts[place] : starts[place + 1]] = run.grams.read().shape
    return Steps(
        runs,
        run_of_step,
        np.concatenate([run.turns for run in runs]),
        shape,
        starts,
        np.cumsum(begins) - 1,
        group_first,
        np.append(group_first[1:] - 1, run_of_step.size - 1),
        group_run,
        np.arange(group_first.size) - group_starts[group_run],
        group_starts,
        np.array([not run.success for run in runs]),
        np.array([run.turns[-1] for run in runs]),
    )
