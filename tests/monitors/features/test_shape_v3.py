"""Run-shape numbers, version 3: those of version 2 first, and how much of the request is covered, as sets of words have
it.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitors.features import shape_v2, shape_v3
from monitors.features.featuriser import NgramFeaturiser
from monitors.features.ngrams import Vocabulary
from monitors.stepview import StepView

VOCABULARY = Vocabulary.from_arrays(np.arange(4, dtype=np.int32), np.ones(4, np.float32))
SECOND = NgramFeaturiser(VOCABULARY, shape_version=2)
THIRD = NgramFeaturiser(VOCABULARY, shape_version=3)
WORDS = ("order", "shoes", "size", "10", "the", "and", "red", "refund", "b07gjt", "late", "item", "a")
TEXT = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
STEPS = st.lists(
    st.builds(
        StepView, observation=TEXT, action=TEXT, args=TEXT, result=TEXT, tool=st.sampled_from(["", "f"]),
        actions=st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip
COVERAGE = ("request_in_results", "request_in_best_result", "request_in_result", "request_in_actions",
            "request_in_action", "mean_request_in_result")  # fmt: skip


def last_shape(views: list[StepView], featuriser: NgramFeaturiser = THIRD) -> dict[str, float]:
    memory = featuriser.initial_memory()
    numbers = np.zeros(0, np.float32)
    for view in views:
        step = featuriser.step(view, memory)
        memory, numbers = step.memory, step.shape
    return dict(zip(shape_v3.SHAPE_NAMES, numbers.tolist(), strict=False))


def last_memory(views: list[StepView]) -> NDArray[np.int64]:
    memory = THIRD.initial_memory()
    for view in views:
        memory = THIRD.step(view, memory).memory
    return memory


def content(*texts: object) -> set[str]:
    words = re.findall(r"\w+", " ".join(str(text or "") for text in texts).lower())
    return {word for word in words if len(word) > 1 and word not in shape_v3.STOP_WORDS}


def obvious_coverage(views: list[StepView]) -> dict[str, float]:
    """The same after the last raw step, from the whole run, with sets of words and no memory."""
    request: set[str] = set()
    said: set[str] = set()
    turn, asked_before = 0, False
    groups: list[tuple[set[str], set[str]]] = []
    for view in views:
        if view.actions > 0:
            groups.append((set(), set()))
            turn += view.actions
        if turn > 0 and request:
            groups[-1][0].update(content(view.action, view.args))
        if turn == 0 or (turn == 1 and not asked_before):
            request |= content(view.observation, view.result)
            said |= {word for word in re.findall(r"\w+", f"{view.observation} {view.result}") if len(word) > 2}
            asked_before |= turn == 0 and bool(said)
        elif groups:
            groups[-1][1].update(content(view.result))
    n = max(len(request), 1)
    results = [len(request & result) for _, result in groups] or [0]
    return {
        "request_in_results": len(request & set().union(*(result for _, result in groups))) / n,
        "request_in_best_result": max(results) / n,
        "request_in_result": results[-1] / n,
        "request_in_actions": len(request & set().union(*(action for action, _ in groups))) / n,
        "request_in_action": len(request & groups[-1][0]) / n if groups else 0.0,
        "mean_request_in_result": sum(results) / (max(len(groups), 1) * n),
    }


@given(STEPS)
def test_coverage_is_what_sets_of_words_have(views: list[StepView]) -> None:
    # Turns of one action, and a request said before the first of them: what is approximate elsewhere is exact here.
    views = [StepView(observation="order red shoes size 10"), *views]
    found, expected = last_shape(views), obvious_coverage(views)

    for name in COVERAGE:
        assert found[name] == pytest.approx(expected[name], abs=1e-6), name


@given(STEPS)
def test_the_first_numbers_are_those_of_version_2(views: list[StepView]) -> None:
    third, second = last_shape(views), last_shape(views, SECOND)

    assert list(second.items()) == list(third.items())[: shape_v2.N_SHAPE]


def test_what_the_first_action_is_answered_with_is_the_request_where_nothing_was_said_before() -> None:
    reset = StepView(action="reset", result="find red shoes", actions=1)
    found = last_shape([reset, StepView(action="search red", result="red hat", actions=1)])

    assert found["request_in_result"] == pytest.approx(1 / 3)
    assert found["request_in_action"] == pytest.approx(1 / 3)


def test_words_that_nothing_held_before_are_brought() -> None:
    asked = StepView(observation="refund order")
    found = last_shape([asked, StepView(action="refund gadget widget", actions=1)])

    assert found["brought_words"] == pytest.approx(np.log1p(2))
    assert found["brought_share"] == pytest.approx(2 / 3)


def test_what_results_said_is_borrowed() -> None:
    first = StepView(action="look", result="gadget", actions=1)
    found = last_shape([first, StepView(action="take gadget", actions=1)])

    assert found["borrowed_share"] == pytest.approx(1 / 3)


def test_a_request_of_any_length_is_bounded_and_ends() -> None:
    words = " ".join(f"word{number}" for number in range(5_000))
    found = last_shape([StepView(observation=words), StepView(action="go", result=words, actions=1)])

    assert found["request_in_result"] == 1.0


def test_a_request_alone_has_covered_nothing() -> None:
    found = last_shape([StepView(observation="order red shoes", result="order red shoes")])

    assert [found[name] for name in COVERAGE] == [0.0] * len(COVERAGE)


def test_the_memory_is_small_and_never_grows() -> None:
    assert shape_v3.MEMORY_SIZE * 8 < 2_800


@given(TEXT, st.lists(st.sampled_from([*WORDS, "é", "x1"]), max_size=20), st.sampled_from([1, 40, 200]), st.booleans())
def test_words_compared_as_hashes_leave_the_memory_that_words_read_byte_by_byte_leave(
    request: str, words: list[str], times: int, acts: bool
) -> None:
    # At 200 times a field has more words than are read, of either kind.
    raw = np.frombuffer(" ".join(words * times).encode(), np.uint8)
    by_hash = last_memory([StepView(observation=request), StepView(actions=1)])
    by_byte = by_hash.copy()
    role = 1 if acts else 2
    (long_words, pairs), ends = shape_v2.split_fields(raw, np.array([raw.size]))
    n_long, n_pairs = ends.reshape(-1).tolist()

    shape_v3._compare(by_hash, raw, long_words[:n_long], pairs[:n_pairs], role)
    shape_v3._take_words(by_byte, raw, role, False)

    assert by_hash.tolist() == by_byte.tolist()


def test_words_are_compared_as_far_as_they_are_read() -> None:
    words = [f"word{number}" for number in range(shape_v3.MAX_LONG_WORDS - 1)]
    runs = [
        [StepView(observation="shoes"), StepView(actions=1), StepView(result=" ".join([*before, "shoes"]))]
        for before in (words, [*words, "one"], [*words, "the"], [*words, "10"])
    ]

    found = [last_shape(views)["request_in_results"] for views in runs]

    # A stop word is not read as one; a word of two bytes is.
    assert found == [1, 0, 1, 0]
