"""Run-shape numbers: causal, finite, from a memory of constant size."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitors.adapter import compile_adapter
from monitors.features.featuriser import NgramFeaturiser
from monitors.features.ngrams import Vocabulary
from monitors.features.protocol import StepFeatures
from monitors.features.shape import MEMORY_SIZE, N_SHAPE, RING, SHAPE_NAMES
from monitors.stepview import StepView
from tests.tiny_bundle import chat_run, tiny_spec

FEATURISER = NgramFeaturiser(Vocabulary.from_arrays(np.arange(4, dtype=np.int32), np.ones(4, np.float32)))


def walk(views: list[StepView]) -> list[StepFeatures]:
    memory, steps = FEATURISER.initial_memory(), []
    for view in views:
        steps.append(FEATURISER.step(view, memory))
        memory = steps[-1].memory
    return steps


def last_shape(views: list[StepView]) -> dict[str, float]:
    return dict(zip(SHAPE_NAMES, walk(views)[-1].shape.tolist(), strict=True))


def call(tool: str = "f", args: str = "1", actions: int = 1) -> StepView:
    return StepView(tool=tool, args=args, actions=actions)


ANSWER, FAILED = StepView(result="a long enough answer to be told", status="ok"), StepView(result="no", status="error")
WORDS = st.text(max_size=20)
STEPS = st.lists(
    st.builds(
        StepView,
        observation=WORDS,
        action=WORDS,
        tool=WORDS,
        args=WORDS,
        result=WORDS,
        status=st.sampled_from(["", "ok", "error"]),
        actions=st.integers(0, 3),
    ),
    min_size=1,
    max_size=30,
)


@given(STEPS)
def test_every_number_is_finite_and_of_modest_size(views: list[StepView]) -> None:
    for step in walk(views):
        assert step.shape.shape == (N_SHAPE,)
        assert np.isfinite(step.shape).all()
        assert np.abs(step.shape).max() < 50


@given(STEPS, STEPS)
def test_later_steps_do_not_change_earlier_numbers(views: list[StepView], later: list[StepView]) -> None:
    for alone, continued in zip(walk(views), walk(views + later), strict=False):
        assert np.array_equal(alone.shape, continued.shape)
        assert np.array_equal(alone.memory, continued.memory)


@given(STEPS)
def test_the_given_memory_stays_as_it_is(views: list[StepView]) -> None:
    memory = walk(views)[-1].memory
    before = memory.copy()

    FEATURISER.step(views[0], memory)

    assert np.array_equal(memory, before)


def test_the_memory_has_one_size_however_long_the_run() -> None:
    adapter = compile_adapter(tiny_spec())
    views = [adapter.view(raw_step)[0] for raw_step in chat_run(random.Random(1), fails=True, turns=400)]

    assert {step.memory.shape for step in walk(views)} == {(MEMORY_SIZE,)}


def test_what_comes_before_the_first_action_is_the_prelude() -> None:
    hello = StepView(observation="hello")

    assert last_shape([hello])["prelude"] == 1
    assert last_shape([hello, call()])["prelude"] == 0


def test_parallel_calls_count_as_many_turns() -> None:
    assert last_shape([call(actions=3)])["turns"] == np.float32(np.log1p(3))


def test_an_error_counts_once_a_turn_from_the_moment_it_comes() -> None:
    now = last_shape([call(), FAILED, FAILED])
    later = last_shape([call(), FAILED, call("g")])

    assert (now["error_now"], now["error_share"]) == (1, 1)
    assert (later["error_now"], later["error_share"], later["turns_since_error"]) == (0, 0.5, np.float32(np.log1p(1)))


def test_a_streak_of_errors_ends_with_a_call_that_works() -> None:
    streak = last_shape([call(), FAILED, call(), FAILED])["error_streak"]
    ended = last_shape([call(), FAILED, call(), ANSWER, call()])["error_streak"]

    assert (streak, ended) == (np.float32(np.log1p(2)), 0)


def test_talk_between_errors_does_not_end_their_streak() -> None:
    talk = StepView(action="let me see", actions=1)

    assert last_shape([call(), FAILED, talk, call(), FAILED])["error_streak"] == np.float32(np.log1p(2))


def test_the_same_call_again_is_a_repeat_and_other_arguments_are_none() -> None:
    assert last_shape([call(), ANSWER, call()])["call_repeats_now"] == 1
    assert last_shape([call(), ANSWER, call(args="2")])["call_repeats_now"] == 0
    assert last_shape([call(), FAILED, call()])["failed_repeats"] > 0
    assert last_shape([call(), ANSWER, call()])["failed_repeats"] == 0


def test_a_call_is_forgotten_after_as_many_others_as_the_ring_holds() -> None:
    others = [call(args=f"other {number}") for number in range(RING)]

    assert last_shape([call(), *others[:-1], call()])["call_repeats_now"] == 1
    assert last_shape([call(), *others, call()])["call_repeats_now"] == 0
