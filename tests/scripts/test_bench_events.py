"""The steps that the bench sends are real events of one size."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.bench.events import STEP_BYTES, Script, to_size, write_scripts

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=20), inner, max_size=8),
    max_leaves=60,
)


@given(st.dictionaries(st.text(max_size=40), values, max_size=12))
def test_any_event_becomes_a_json_object_of_exactly_the_size(event: dict[str, Any]) -> None:
    step = to_size(event, 400)
    assert len(step) == 400
    assert isinstance(orjson.loads(step), dict)


def test_a_short_event_keeps_its_fields_and_says_its_text_again() -> None:
    event = {"role": "user", "content": "I want my money back, please."}
    step = orjson.loads(to_size(event))
    assert step["role"] == "user"
    assert step["content"].startswith("I want my money back, please. I want my money")
    assert len(orjson.dumps(step)) >= STEP_BYTES - 20


def test_a_long_event_is_cut_in_its_longest_text_alone() -> None:
    event = {"role": "tool", "id": "call_1234567890123456", "content": "found it " * 1000}
    step = orjson.loads(to_size(event))
    assert (step["role"], step["id"]) == (event["role"], event["id"])
    assert str(event["content"]).startswith(step["content"][:500])


@pytest.mark.parametrize("length", [10, 5000])
def test_the_callers_event_stays_as_it_is(length: int) -> None:
    event = {"role": "tool", "inner": {"texts": ["some words of text " * length]}}
    before = copy.deepcopy(event)
    to_size(event)
    assert event == before


def test_scripts_are_written_a_step_a_line_with_an_empty_line_after_each_run(tmp_path: Path) -> None:
    write_scripts([Script((b"{}", b'{"a":1}')), Script((b'{"b":2}',))], tmp_path / "scripts.txt")
    assert (tmp_path / "scripts.txt").read_bytes() == b'{}\n{"a":1}\n\n{"b":2}\n\n'
