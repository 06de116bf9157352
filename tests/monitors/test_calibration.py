"""Maps from logits to probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitors.calibration import PlattMap


@given(st.floats(1e-3, 100), st.floats(-50, 50), st.lists(st.floats(-1e30, 1e30), min_size=2))
def test_probabilities_are_probabilities_and_keep_the_order(
    slope: float, intercept: float, logits: list[float]
) -> None:
    ordered = np.sort(np.array(logits, np.float32))

    probabilities = PlattMap(slope=slope, intercept=intercept).to_probability(ordered)

    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert (np.diff(probabilities) >= 0).all()


def test_the_identity_map_is_the_sigmoid() -> None:
    logits = np.array([-1.0, 0.0, 2.0], np.float32)

    assert PlattMap(slope=1, intercept=0).to_probability(logits) == pytest.approx([0.26894142, 0.5, 0.88079708])


@pytest.mark.parametrize("slope", [0.0, -1.0])
def test_a_map_that_would_turn_the_order_round_is_refused(slope: float) -> None:
    with pytest.raises(ValidationError, match="slope"):
        PlattMap(slope=slope, intercept=0)
