"""Padded batches say where turns are, what is padding, and how much each raw step counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from induction.learning.batches import iter_batches, to_run_batch
from tests.induction.learning.test_network import random_run


def test_groups_are_the_prelude_and_each_opened_turn() -> None:
    batch = to_run_batch([random_run([False, False, True, False, True], 1), random_run([True, True, False], 2)], 3)

    assert batch.turn_of_step.tolist() == [[0, 0, 1, 1, 2], [0, 1, 1, 0, 0]]
    assert batch.turn_start.tolist() == [[0, 0, 2, 2, 4], [0, 1, 1, 0, 0]]
    assert batch.turn_end.tolist() == [[1, 3, 4], [0, 2, 0]]
    assert batch.valid.tolist() == [[True] * 5, [True] * 3 + [False] * 2]


def test_the_raw_steps_of_a_run_weigh_one_together_and_padding_nothing() -> None:
    batch = to_run_batch([random_run([True] * length, length) for length in (2, 9, 5)], 3)

    assert batch.weight.sum(1).tolist() == pytest.approx([1, 1, 1])
    assert not batch.weight[~batch.valid].any()


def test_labels_are_those_of_failing_runs_within_the_horizon_in_turns() -> None:
    failed, succeeded = random_run([True] * 6, 1), random_run([True] * 6, 2, success=True)
    batch = to_run_batch([failed, succeeded], 2)

    assert batch.risk[0].tolist() == [float(failed.turns[-1] - turn <= 2) for turn in failed.turns]
    assert batch.failure[0].tolist() == [1.0] * 6
    assert not batch.risk[1].any()
    assert not batch.failure[1].any()


def test_padding_points_at_an_empty_bag() -> None:
    batch = to_run_batch([random_run([True], 1), random_run([True] * 3, 2)], 3)

    assert batch.step_of_place[0].tolist() == [0, 4, 4]
    assert int(batch.offsets[4]) == batch.rows.numel()


def test_every_run_comes_once_an_epoch_shuffled_only_where_told() -> None:
    runs = [random_run([True] * (1 + number), number) for number in range(7)]

    lengths = [int(n) for batch in iter_batches(runs, 3, 3, None) for n in batch.valid.sum(1)]
    shuffled = [int(n) for batch in iter_batches(runs, 3, 3, np.random.default_rng(1)) for n in batch.valid.sum(1)]

    assert lengths == [1, 2, 3, 4, 5, 6, 7]
    assert shuffled != lengths
    assert sorted(shuffled) == lengths


def test_all_arrays_have_the_stated_types() -> None:
    batch = to_run_batch([random_run([True, False], 1)], 3)

    assert {batch.rows.dtype, batch.offsets.dtype, batch.turn_end.dtype} == {torch.int64}
    assert {batch.weights.dtype, batch.shape.dtype, batch.risk.dtype, batch.weight.dtype} == {torch.float32}
