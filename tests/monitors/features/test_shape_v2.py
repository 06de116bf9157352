"""Run-shape numbers, version 2: those of version 1 first, and shares of words as an obvious reading has them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitors.features import shape, shape_v2
from monitors.features.featuriser import NgramFeaturiser
from monitors.features.ngrams import Vocabulary
from monitors.features.protocol import StepFeatures
from monitors.features.splitting import MAX_LONG_WORDS
from monitors.stepview import StepView

VOCABULARY = Vocabulary.from_arrays(np.arange(4, dtype=np.int32), np.ones(4, np.float32))
FIRST = NgramFeaturiser(VOCABULARY)
SECOND = NgramFeaturiser(VOCABULARY, shape_version=2)
# Few words, told apart by every sketch: what is approximate on thousands of words is exact on them.
WORDS = ("order", "shoes", "error", "thanks", "sorry", "refund", "a", "maybe", "transfer", "box", "late", "item")
TEXT = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
STEPS = st.lists(
    st.builds(
        StepView,
        observation=TEXT,
        action=TEXT,
        tool=st.sampled_from(["", "f", "g"]),
        args=TEXT,
        result=TEXT,
        status=st.sampled_from(["", "ok", "error"]),
        actions=st.integers(0, 2),
    ),
    min_size=1,
    max_size=20,
)


def walk(featuriser: NgramFeaturiser, views: list[StepView]) -> list[StepFeatures]:
    memory, steps = featuriser.initial_memory(), []
    for view in views:
        steps.append(featuriser.step(view, memory))
        memory = steps[-1].memory
    return steps


def last_shape(views: list[StepView]) -> dict[str, float]:
    return dict(zip(shape_v2.SHAPE_NAMES, walk(SECOND, views)[-1].shape.tolist(), strict=True))


def words_of(*texts: object) -> list[str]:
    return [word for text in texts for word in re.findall(r"\w+", str(text or "").lower()) if len(word) > 2]


def obvious_shares(views: list[StepView]) -> dict[str, float]:
    """The shares after the last raw step, from the whole run, with sets of words and no memory."""
    groups: list[list[StepView]] = [[]]
    for view in views:
        if view.actions > 0:
            groups.append([])
        groups[-1].append(view)
    request = {word for view in groups[0] for word in words_of(view.observation, view.result)}
    seen: set[str] = set()
    last_action: set[str] = set()
    last_result: set[str] = set()
    shares: dict[str, float] = {}
    for group in groups:
        actions = [word for view in group for word in words_of(view.action, view.args)]
        results = [word for view in group for word in words_of(view.result)]
        new_actions = new_results = 0
        for view in group:
            for role, texts in ((0, [view.observation]), (1, [view.action, view.args]), (2, [view.result])):
                for word in words_of(*texts):
                    new_actions += role == 1 and word not in seen
                    new_results += role == 2 and word not in seen
                    seen.add(word)
        shares = {
            "action_novelty": new_actions / max(len(actions), 1),
            "result_novelty": new_results / max(len(results), 1),
            "action_again": sum(word in last_action for word in actions) / max(len(actions), 1),
            "result_again": sum(word in last_result for word in results) / max(len(results), 1),
            "action_from_result": sum(word in last_result for word in actions) / max(len(actions), 1),
            "action_from_request": sum(word in request for word in actions) / max(len(actions), 1),
        }
        last_action = set(actions) if any(view.action or view.args for view in group) else last_action
        last_result = set(results) if any(view.result for view in group) else last_result
    return shares


@given(STEPS)
def test_the_first_numbers_are_those_of_version_1(views: list[StepView]) -> None:
    for first, second in zip(walk(FIRST, views), walk(SECOND, views), strict=True):
        assert np.array_equal(second.shape[: shape.N_SHAPE], first.shape)
        assert np.array_equal(second.memory[: shape.MEMORY_SIZE], first.memory)


@given(STEPS)
def test_shares_of_words_are_those_of_an_obvious_reading(views: list[StepView]) -> None:
    # First the request: what stands in for a missing one has a test of its own.
    views = [StepView(observation="order shoes"), replace(views[0], actions=1), *views[1:]]
    found = last_shape(views)

    for name, share in obvious_shares(views).items():
        assert np.isclose(found[name], share, atol=1e-6), name


@given(STEPS, STEPS)
def test_later_steps_do_not_change_earlier_numbers(views: list[StepView], later: list[StepView]) -> None:
    for alone, continued in zip(walk(SECOND, views), walk(SECOND, views + later), strict=False):
        assert np.array_equal(alone.shape, continued.shape)


@given(STEPS)
def test_every_number_is_finite_and_of_modest_size(views: list[StepView]) -> None:
    for step in walk(SECOND, views):
        assert step.shape.shape == (shape_v2.N_SHAPE,)
        assert np.abs(step.shape).max() < 50


def test_the_memory_leaves_room_for_a_state_of_the_graph() -> None:
    assert shape_v2.MEMORY_SIZE * 8 < 2_200


def test_the_first_answer_is_the_request_where_nothing_came_before_the_first_action() -> None:
    opening = [StepView(action="reset", actions=1), StepView(result="find shoes")]

    assert last_shape([*opening, StepView(action="shoes blue", actions=1)])["action_from_request"] == 0.5
    asked = [StepView(observation="order box"), *opening, StepView(action="shoes blue", actions=1)]
    assert last_shape(asked)["action_from_request"] == 0


def test_words_that_end_refuse_and_fail_are_counted_where_they_stand() -> None:
    views = [
        StepView(observation="please"),
        StepView(action="sorry, I cannot; thanks", actions=1),
        StepView(result="error: invalid"),
    ]

    found = last_shape(views)

    assert found["unable_now"] == np.float32(np.log1p(2))
    assert found["closing_now"] == np.float32(np.log1p(1))
    assert found["problem_answered"] == np.float32(np.log1p(2))
    assert found["doubt_now"] == 0


def test_entropy_of_tools_is_nought_for_one_tool_and_grows_with_the_second() -> None:
    call, other = StepView(tool="f", args="1", actions=1), StepView(tool="h", args="1", actions=1)

    assert last_shape([call, call])["tool_entropy"] == 0
    assert np.isclose(last_shape([call, other])["tool_entropy"], np.log(2), atol=1e-6)
    assert last_shape([call, call, other])["tool_share"] == np.float32(1 / 3)


def test_a_result_beyond_the_bound_of_words_is_read_as_far_as_it() -> None:
    long = StepView(result=" ".join(f"word{number}" for number in range(MAX_LONG_WORDS + 500)))

    found = last_shape([StepView(action="look", actions=1), long])

    assert found["result_words"] == np.float32(np.log1p(MAX_LONG_WORDS))
