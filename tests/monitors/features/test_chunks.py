"""Lists of rows in chunks: all there, in order, and no wider for a long neighbour."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitors.features.chunks import CHUNK
from monitors.features.protocol import FeatureBatch, StepFeatures, to_batch

SIZES = st.lists(st.integers(0, 3 * CHUNK + 1), min_size=1, max_size=9)


def steps_of(sizes: list[int]) -> list[StepFeatures]:
    rng = np.random.default_rng(sum(sizes))
    return [
        StepFeatures(
            rng.integers(1, 99, size, np.int32), rng.random(size, np.float32) + 0.1, np.zeros(2, np.float32),
            index % 2 == 1, np.zeros(1, np.int64),
        )
        for index, size in enumerate(sizes)
    ]  # fmt: skip


def lists_of(batch: FeatureBatch) -> list[list[tuple[int, float]]]:
    """(row, weight) of each raw step, read chunk by chunk without what is padded."""
    return [
        [
            (int(row), float(weight))
            for chunk in chunks
            for row, weight in zip(batch.rows[chunk], batch.weights[chunk], strict=True)
            if weight != 0
        ]
        for chunks in batch.chunks.tolist()
    ]


@given(SIZES)
def test_every_row_and_weight_is_in_the_chunks_of_its_raw_step_in_order(sizes: list[int]) -> None:
    steps = steps_of(sizes)

    batch = to_batch(steps)

    assert lists_of(batch) == [list(zip(step.rows.tolist(), step.weights.tolist(), strict=True)) for step in steps]
    assert batch.opens.tolist() == [float(step.opens) for step in steps]


@given(SIZES)
def test_a_padded_batch_holds_the_same_rows_side_by_side(sizes: list[int]) -> None:
    steps = steps_of(sizes)

    rows, weights = to_batch(steps).pad()

    for index, step in enumerate(steps):
        assert rows[index, : step.rows.size].tolist() == step.rows.tolist()
        assert weights[index, : step.rows.size].tolist() == step.weights.tolist()
        assert not weights[index, step.rows.size :].any()


@given(SIZES)
def test_no_chunk_is_made_but_those_that_hold_something_and_one_for_each_raw_step(sizes: list[int]) -> None:
    batch = to_batch(steps_of(sizes))

    assert len(batch.rows) == 1 + sum(max(1, -(-size // CHUNK)) for size in sizes)
    assert not batch.weights[0].any()


def test_a_long_list_makes_no_other_wider() -> None:
    alone, beside = to_batch(steps_of([5])), to_batch(steps_of([5, 4_000]))

    assert beside.rows.shape[1] == alone.rows.shape[1] == CHUNK
    assert np.count_nonzero(beside.chunks[0]) == 1
