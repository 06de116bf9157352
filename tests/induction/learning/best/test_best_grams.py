"""N-grams wait on disk, and come back as they were counted."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import fields

import numpy as np

from induction.learning.best.grams import GramFile, Grams
from induction.learning.best.steps import Steps, to_steps
from induction.learning.best.texts import fit_vocabulary, weigh_steps
from monitors.features.ngrams import N_SLOTS
from monitors.features.shape_v3 import N_SHAPE


def random_grams(seed: int, n_steps: int = 7, n_slots: int = 50) -> Grams:
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, n_slots + 1, n_steps - 1))
    return Grams(
        np.concatenate([[0], cuts, [n_slots]]).astype(np.int64),
        rng.normal(size=(n_steps, N_SHAPE)).astype(np.float32),
        rng.integers(0, N_SLOTS, n_slots).astype(np.int32),
        rng.integers(1, 9, n_slots).astype(np.uint16),
        rng.integers(0, 5, n_slots).astype(np.int8),
    )


def test_runs_come_back_as_they_were_added_in_any_order() -> None:
    file = GramFile()
    # A raw step may say nothing, and a run too.
    added = [random_grams(seed, n_steps=1 + seed, n_slots=13 * seed) for seed in range(5)]
    stored = [file.add(grams) for grams in added]

    for place in (3, 0, 4, 1, 2):
        found = stored[place].read()
        for field in fields(Grams):
            one, other = getattr(found, field.name), getattr(added[place], field.name)
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)


def test_what_is_stored_takes_no_memory() -> None:
    file, grams = GramFile(), random_grams(1, n_slots=20_000)
    tracemalloc.start()

    stored = [file.add(grams) for _ in range(100)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sum(one.read().slots.size for one in stored) == 2_000_000
    assert held < 100_000


def test_the_file_is_closed_with_the_last_run_that_it_holds() -> None:
    file = GramFile()
    stored, raw = file.add(random_grams(1)), file._file
    del file
    gc.collect()
    assert not raw.closed

    del stored
    gc.collect()
    assert raw.closed


def test_a_run_is_weighed_among_others_as_alone(steps: Steps) -> None:
    vocabulary = fit_vocabulary(steps)
    bags, field_of_row = weigh_steps(steps, vocabulary)

    for place in (0, 7, len(steps.runs) - 1):
        alone, _ = weigh_steps(to_steps([steps.runs[place]]), vocabulary)
        among = bags[steps.starts[place] : steps.starts[place + 1]]

        assert (alone != among).nnz == 0
        assert alone.nnz > 10
    assert bags.shape == (steps.run.size, vocabulary.n_rows)
    assert set(field_of_row.tolist()) == {0, 1, 2, 3, 4}
