from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from induction.adapters.llm.answers import parse_answer
from monitors.errors import AdapterError
from tests.chat_endpoint import GOOD

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["/*", "/a", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in items for path in paths(item, (*at, key)))]


PATHS = paths(GOOD)[1:]


def replaced(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    spec = copy.deepcopy(GOOD)
    owner: Any = spec
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = value
    return spec


@given(st.sampled_from(PATHS), VALUES)
def test_any_change_of_a_spec_is_a_spec_or_a_list_of_faults(path: tuple[Any, ...], value: Any) -> None:
    try:
        spec = parse_answer(json.dumps(replaced(path, value)))
    except AdapterError:
        return
    assert parse_answer(spec.to_json().decode()) == spec


@given(st.text(max_size=300))
def test_any_text_is_a_list_of_faults(text: str) -> None:
    with pytest.raises(AdapterError):
        parse_answer(text)


def test_the_last_of_several_fenced_blocks_is_taken() -> None:
    first, last = json.dumps({**GOOD, "name": "first"}), json.dumps({**GOOD, "name": "last"})
    assert parse_answer(f"Draft:\n```\n{first}\n```\nBetter:\n```json\n{last}\n```").name == "last"


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(AdapterError) as caught:
        parse_answer(json.dumps({"format": 2, "name": "", "event": {"cases": []}, "eval": "1"}))
    assert {fault.path for fault in caught.value.faults} == {"format", "name", "event.cases", "eval"}
