"""JSON pointers with `*`: every value they name, in order, and never an exception."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.adapter.pointers import (
    compile_conditions,
    compile_pointer,
    is_same,
    iter_items,
    join_pointer,
    split_pointer,
)

DOCUMENT = {"a": {"b": [1, {"c": 2}, {"c": 3}]}, "x/y": {"~z": 4}, "": 5, "n": [[6, 7], [8]], "*": 9}


@pytest.mark.parametrize(
    ("pointer", "values"),
    [
        ("", [DOCUMENT]),
        ("/a/b/0", [1]),
        ("/a/b/*/c", [2, 3]),
        ("/x~1y/~0z", [4]),
        ("/", [5]),
        ("/n/*/*", [6, 7, 8]),
        ("/n/*/0", [6, 8]),
        ("/a/b/3", []),
        ("/a/b/-1", [{"c": 3}]),
        ("/a/b/-2", []),
        ("/a/b/²", []),
        ("/a/missing/b", []),
        ("/a/*", []),
        ("/a/b/0/c", []),
    ],
)
def test_a_pointer_gives_every_value_that_it_names_in_document_order(pointer: str, values: list[Any]) -> None:
    assert compile_pointer(pointer, 10)(DOCUMENT) == values


def test_a_star_walks_no_more_items_than_the_limit() -> None:
    assert compile_pointer("/*", 3)(list(range(10))) == [0, 1, 2]
    assert compile_pointer("/*/*", 3)([[1, 2], [3, 4]]) == [1, 2, 3]


@given(st.lists(st.text()).map(tuple))
def test_joining_undoes_splitting(segments: tuple[str, ...]) -> None:
    assert split_pointer(join_pointer(segments)) == segments


def test_items_are_those_of_the_last_star() -> None:
    items, rest = iter_items("/n/*/*/k", 10)

    assert (items({"n": [[{"k": 1}], [{"k": 2}]]}), rest) == ([{"k": 1}, {"k": 2}], "/k")


def test_true_is_not_one_and_false_is_not_zero() -> None:
    assert not is_same(True, 1)
    assert not is_same(0, False)
    assert is_same(1, 1.0)


@pytest.mark.parametrize(
    ("step", "holds"),
    [
        ({"role": "user", "calls": [1]}, True),
        ({"role": "user", "calls": []}, False),
        ({"role": "user", "calls": None}, False),
        ({"role": "user"}, False),
        ({"role": "tool", "calls": [1]}, False),
        ("user", False),
    ],
)
def test_conditions_hold_together_and_no_listed_value_means_present(step: Any, holds: bool) -> None:
    tests = compile_conditions({"/role": ["user", "human"], "/calls": []}, 10)

    assert all(test(step) for test in tests) is holds
