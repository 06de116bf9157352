"""An adapter never raises, whatever a raw step holds, and what it gives stays within its limits."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitors.adapter import compile_adapter, parse_spec
from monitors.adapter.spans import flatten_spans, is_span_document
from monitors.stepview import StepView, to_text

MAX_CHARS, MAX_DEPTH, MAX_ITEMS, MAX_VALUES = 300, 5, 4, 50
ANY = [{"path": "/x"}, {"path": "/x/*"}, {"path": "/x/*/y", "decode": "json"}, {"path": ""}]
GREEDY = compile_adapter(
    parse_spec(
        {
            "name": "greedy",
            "event": {
                "blocks": {
                    "opens": ["x", "y:"],
                    "ends_at_blank_line": True,
                    "leads": {"x": ["y:"]},
                    "then": {"y:": "y"},
                    "first": "y",
                    "whole": "x",
                },
                "decode": ["", "/x", "/x/y"],
                "cases": [
                    {
                        "when": {"/x": []},
                        "acts": True,
                        "fields": {
                            **dict.fromkeys(
                                ("observation", "action", "tool", "args", "result", "status", "metadata"), ANY
                            ),
                            "tool": [
                                *ANY,
                                {"path": "/x", "template": "{text}[{name}({args})]", "take": "name", "only": "text"},
                            ],
                        },
                    }
                ],
                "otherwise": {"observation": [{"path": ""}], "result": [{"path": "/y", "decode": "json"}]},
            },
            "status": {"error_if": {"/x": [1, "bad", [1]]}, "error_text": ["boom"], "ok_if_result": True},
            "cuts": [{"field": "args", "from": "a"}],
            "limits": {
                "max_depth": MAX_DEPTH,
                "max_text_chars": MAX_CHARS,
                "max_items": MAX_ITEMS,
                "max_values": MAX_VALUES,
            },
        }
    )
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**30, max_value=10**40)
    | st.floats()
    | st.text(alphabet=st.characters(exclude_categories=()))
)
KEYS = st.sampled_from(["x", "y", "start"]) | st.text(alphabet=st.characters(exclude_categories=()), max_size=5)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=40
)


def nested(depth: int, *, as_list: bool) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = [value] if as_list else {"x": value}
    return value


HOSTILE = {
    "deep list": nested(10_000, as_list=True),
    "deep object": nested(10_000, as_list=False),
    "huge text": "word " * 1_000_000,
    "huge number": 10**5_000,
    "negative huge number": -(10**5_000),
    "not a number": float("nan"),
    "infinity": float("-inf"),
    "lone surrogate": "\ud800 text \udfff",
    "surrogate key": {"\ud800": "\ud800"},
    "null characters": "\x00" * 50,
    "many items": list(range(100_000)),
    "many keys": {str(number): number for number in range(100_000)},
    "wide and deep": [[[["x" * 50] * 20] * 20] * 20] * 20,
    "json in json": orjson.dumps(orjson.dumps("[" * 900 + "]" * 900).decode()).decode(),
    "deep json text": "[" * 100_000,
}


def assert_within_limits(view: StepView) -> None:
    orjson.dumps(view.to_dict())
    for text in (view.observation, view.action):
        assert len(text) <= MAX_CHARS
    assert len(view.tool) <= 400
    assert len(view.status) <= 40
    assert all(len(text) <= 200 for text in view.metadata.values())
    for value in (view.args, view.result):
        # At the limit a container stays, empty; what several selectors give stands in one list more.
        assert depth_of(value) <= MAX_DEPTH + 2
        assert nodes_of(value) <= 3 * MAX_ITEMS * (MAX_VALUES + 1)
        assert widest(value) <= 4 * MAX_ITEMS


def depth_of(value: Any) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + max((depth_of(item) for item in inner), default=0) if isinstance(value, dict | list) else 0


def nodes_of(value: Any) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + sum(nodes_of(item) for item in inner)


def widest(value: Any) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return max(len(inner), max((widest(item) for item in inner), default=0))


@given(JSON)
def test_no_json_makes_an_adapter_raise_or_leave_its_limits(value: Any) -> None:
    for raw_step in (value, {"x": value}, {"x": [value, {"y": value}]}, {"start": {"a": value}}, {"y": value}):
        assert_within_limits(GREEDY.view(raw_step)[0])


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_value_makes_an_adapter_raise_or_leave_its_limits(name: str) -> None:
    value = HOSTILE[name]
    for raw_step in (value, {"x": value}, {"x": [value, {"y": value}]}, {"start": {"a": value}}, {"y": value}):
        assert_within_limits(GREEDY.view(raw_step)[0])


TEXT = compile_adapter(
    parse_spec(
        {
            "name": "text",
            "event": {
                "unit": "text",
                "blocks": {"opens": ["Action:", "Observation:"], "ends_at_blank_line": True},
                "cases": [
                    {
                        "when": {"/Action": []},
                        "acts": True,
                        "fields": {
                            "action": [{"path": "/Action"}],
                            "tool": [{"path": "/Action", "template": "{name}[{args}]", "take": "name"}],
                            "args": [{"path": "/Action", "template": "{name}[{args}]", "take": "args"}],
                            "result": [{"path": "/Observation", "decode": "json"}],
                        },
                    }
                ],
                "otherwise": {"observation": [{"path": "/"}]},
            },
            "limits": {
                "max_depth": MAX_DEPTH,
                "max_text_chars": MAX_CHARS,
                "max_items": MAX_ITEMS,
                "max_values": MAX_VALUES,
            },
        }
    )
)
LOGS = st.lists(
    st.sampled_from(
        ["Action:", "Observation:", " look[", "]", "{", '"', "\n", "\r", "\x1b[", "\x1b]", "31m", "\b", "\x9b"]
    )
    | st.text(alphabet=st.characters(exclude_categories=()), max_size=20),
    max_size=60,
).map("".join)


@given(LOGS)
def test_no_text_makes_an_adapter_raise_or_leave_its_limits(text: str) -> None:
    assert_within_limits(TEXT.view(text)[0])


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=10_000, suppress_health_check=list(HealthCheck))
@given(JSON, LOGS, st.sampled_from(sorted(HOSTILE)))
def test_a_hundred_thousand_inputs_neither_raise_nor_leave_the_limits(value: Any, text: str, name: str) -> None:
    """Ten inputs an example; the hostile values stand where a generated one leaves room for them."""
    hostile = HOSTILE[name] if len(text) % 40 == 0 else text
    raw_steps = (value, {"x": value}, {"x": [value, {"y": value}]}, {"start": {"a": value}}, {"y": value})
    for raw_step in (*raw_steps, {"x": text}, {"x": [{"y": hostile}, value]}, {"x": {"x": hostile, "y": [value]}}):
        assert_within_limits(GREEDY.view(raw_step)[0])
    for raw_step in (text, value):
        assert_within_limits(TEXT.view(raw_step)[0])


@given(JSON)
def test_a_raw_step_reads_the_same_twice(value: Any) -> None:
    assert orjson.dumps(GREEDY.view({"x": value})[0].to_dict()) == orjson.dumps(GREEDY.view({"x": value})[0].to_dict())


@given(JSON)
def test_any_value_has_a_text(value: Any) -> None:
    assert isinstance(to_text(value), str)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_hostile_value_has_a_text(name: str) -> None:
    assert isinstance(to_text(HOSTILE[name]), str)


@given(JSON)
def test_no_json_makes_the_span_reader_raise(value: Any) -> None:
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": value, "events": value}, value]}]}, value]}

    assert is_span_document(document)
    assert all(isinstance(span["attributes"], dict) for span in flatten_spans(document))
    assert isinstance(flatten_spans(value), list)
