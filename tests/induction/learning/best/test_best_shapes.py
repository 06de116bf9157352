"""Run shape's own model of the outcome."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from induction.learning.best import shapes
from induction.learning.best.shapes import Scale, fit_shape, read_shape
from induction.learning.best.steps import Steps
from induction.learning.best.teaching import to_inner_folds


def test_a_scale_cuts_what_lies_far_out() -> None:
    features = np.concatenate([np.zeros(999), [1e6]]).astype(np.float32)[:, None]

    scaled = Scale.of(features).apply(features)

    assert scaled.max() == 5.0
    assert abs(scaled.min()) < 0.1


def test_a_number_that_tells_the_outcome_gets_the_weight(steps: Steps) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(steps.run.size, 3)).astype(np.float32)
    numbers[:, 1] += 2 * steps.fails[steps.run]

    weights = fit_shape(steps, numbers, np.ones(len(steps.runs), np.bool_))

    assert weights[1] > 3 * abs(weights[[0, 2]]).max()


def test_the_turn_gets_less_weight_for_what_length_says_of_the_outcome_being_given(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = replace(steps, fails=steps.last_turn > np.median(steps.last_turn))
    turn = Scale.of(steps.turns[:, None].astype(np.float32)).apply(steps.turns[:, None].astype(np.float32))
    everyone = np.ones(len(steps.runs), np.bool_)

    given = fit_shape(long, turn, everyone)[0]
    monkeypatch.setattr(shapes, "_say_turns", lambda *_: np.zeros(int(steps.last_turn.max()) + 1))

    assert abs(given) < 0.5 * fit_shape(long, turn, everyone)[0]


def test_no_run_is_judged_by_a_model_that_saw_it(steps: Steps) -> None:
    inner = to_inner_folds(steps, 1)
    numbers = Scale.of(steps.shape).apply(steps.shape)
    flipped = replace(steps, fails=np.where(inner == 0, ~steps.fails, steps.fails))

    given, other = read_shape(steps, numbers, inner), read_shape(flipped, numbers, inner)

    assert np.array_equal(given[inner[steps.run] == 0], other[inner[steps.run] == 0])
    assert not np.array_equal(given, other)
