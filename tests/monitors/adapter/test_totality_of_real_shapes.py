"""Adapters of the common shapes never raise and keep their limits, whatever is done to the raw steps they are made for.

Not by random JSON alone, which such an adapter never knows: values are put into places that its cases read.
"""

from __future__ import annotations

import math
import time
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitors.adapter import Adapter
from monitors.adapter.compiled import Reading
from monitors.stepview import to_text
from tests.monitors.adapter.shapes import EVENTS, SHAPES, adapter

LIMITS = {"max_depth": 4, "max_text_chars": 200, "max_items": 5, "max_values": 30}
MANY = {"max_depth": 64, "max_text_chars": 1_000_000, "max_items": 10_000, "max_values": 100_000}
TIGHT: dict[str, Adapter] = {name: adapter(event, LIMITS) for name, event in EVENTS.items()}
WIDE: dict[str, Adapter] = {name: adapter(event, MANY) for name, event in EVENTS.items()}
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=30)
CONTROL_SIGNS = ["\n", "\r", "\x1b[31m", "\b", "\x9b", "\ud800", "\x00", "[", "]", '{"a": ', "}", '"']
WORD_SIGNS = ["error:", "Traceback (most recent call last)", "find[", "Action:", "Thought:", "Observation:", "text"]
SIGNS = st.sampled_from([*CONTROL_SIGNS, *WORD_SIGNS, "assistant", "tool", "call", "execute_tool"])
TEXT = st.lists(SIGNS | ANY_TEXT, max_size=12).map("".join)
SCALARS = (
    st.sampled_from([None, True, False, math.nan, math.inf, -math.inf, 2**63, -(2**63) - 1, 10**400, -0.0])
    | st.integers()
    | st.floats()
    | TEXT
)
CHAT_KEYS = ["role", "content", "tool_calls", "function", "name", "arguments", "type", "text", "thinking", "input"]
SPAN_KEYS = ["attributes", "gen_ai.operation.name", "gen_ai.tool.name", "input.value", "output.value"]
KEYS = st.sampled_from([*CHAT_KEYS, *SPAN_KEYS, "start", "event", "payload", "tool", "args", "error", "is_error"])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.dictionaries(KEYS | ANY_TEXT, inner, max_size=7)
        | inner.map(to_text)
        | inner.map(lambda value: nested(value, 12))
    ),
    max_leaves=25,
)
SIZES = st.sampled_from([0, 100, 600, 3_000])


def nested(value: Any, depth: int) -> Any:
    for level in range(depth):
        value = [value] if level % 2 else {"content": value}
    return value


def put(step: Any, place: int, value: Any) -> Any:
    """Return a step in which the value at one of its places, counted from outside inwards, is another."""
    places: list[tuple[Any, ...]] = [()]
    for path in places:
        inner = step
        for key in path:
            inner = inner[key]
        if isinstance(inner, dict):
            places += [(*path, key) for key in inner]
        elif isinstance(inner, list):
            places += [(*path, index) for index in range(len(inner))]
    return _put(step, places[place % len(places)], value)


def _put(step: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    if isinstance(step, dict):
        return {key: _put(item, path[1:], value) if key == path[0] else item for key, item in step.items()}
    return [_put(item, path[1:], value) if index == path[0] else item for index, item in enumerate(step)]


def assert_kept_to_limits(reading: Reading) -> None:
    view = reading.view
    orjson.dumps(view.to_dict())
    assert max(len(view.observation), len(view.action)) <= LIMITS["max_text_chars"]
    assert len(view.tool) <= 400
    assert len(view.status) <= 40
    assert all(len(text) <= 200 for text in view.metadata.values())
    for value in (view.args, view.result):
        # Several values stand in one list more, each within its own limits.
        parts = value if isinstance(value, list) else [value]
        assert len(parts) <= 3 * LIMITS["max_items"]
        for part in parts:
            assert depth_of(part) <= LIMITS["max_depth"] + 1
            assert values_of(part) <= LIMITS["max_values"]


def depth_of(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max((depth_of(item) for item in (value.values() if isinstance(value, dict) else value)), default=0)


def values_of(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 1
    return 1 + sum(values_of(item) for item in (value.values() if isinstance(value, dict) else value))


def check(name: str, size: int, place: int, value: Any) -> float:
    """Return the seconds that reading the step took, once all about it is as it must be."""
    event, make = SHAPES[name]
    raw_step = make(size) + to_text(value) if event == "log" else put(make(size), place, value)
    started = time.thread_time()
    reading = TIGHT[event].read(raw_step)
    seconds = time.thread_time() - started
    assert_kept_to_limits(reading)
    assert to_text(TIGHT[event].read(raw_step).view.to_dict()) == to_text(reading.view.to_dict())
    if not reading.truncated:
        whole = WIDE[event].read(raw_step).view
        for field in ("observation", "action", "args", "result"):
            assert to_text(getattr(whole, field)) == to_text(getattr(reading.view, field))
    return seconds


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SHAPES)), SIZES, st.integers(0, 500), JSON)
def test_no_value_in_any_place_makes_an_adapter_raise_or_leave_its_limits(
    name: str, size: int, place: int, value: Any
) -> None:
    check(name, size, place, value)


LOGS = st.lists(st.sampled_from(["Action:", "Note:", "\n"]) | TEXT).map("".join)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(EVENTS)), JSON | LOGS)
def test_no_step_of_another_format_does(event: str, raw_step: Any) -> None:
    assert_kept_to_limits(TIGHT[event].read(raw_step))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_inputs_neither_raise_nor_leave_the_limits() -> None:
    """Prints how many inputs there were, and the slowest: no input takes more than a bounded time."""
    seen: list[float] = []

    @settings(max_examples=100_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(sorted(SHAPES)), SIZES, st.integers(0, 500), JSON)
    def one(name: str, size: int, place: int, value: Any) -> None:
        seen.append(check(name, size, place, value))

    one()
    print(f"\n{len(seen)} inputs, the slowest {max(seen) * 1_000:.1f} ms")
    assert len(seen) >= 100_000
    assert max(seen) < 0.5
