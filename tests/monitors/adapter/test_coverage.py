from __future__ import annotations

from typing import Any

import pytest

from monitors.adapter import Adapter, compile_adapter, parse_spec
from monitors.adapter.coverage import FIELDS, MAX_CASES, Coverage
from monitors.stepview import StepView

LIMITS = {"max_depth": 3, "max_text_chars": 100, "max_items": 4, "max_values": 10}


def reading_adapter(**event: Any) -> Adapter:
    fields = {
        "action": [{"path": "/say"}],
        "tool": [{"path": "/calls/*/name"}],
        "args": [{"path": "/args"}],
        "metadata": [{"path": "/id"}],
    }
    case = {"when": {"/kind": ["act"]}, "acts": True, "fields": fields}
    return compile_adapter(parse_spec({"name": "x", "event": {"cases": [case], **event}, "limits": LIMITS}))


def act(**more: Any) -> dict[str, Any]:
    return {"kind": "act", "say": "I look", **more}


def test_steps_are_counted_by_the_case_that_read_them_and_by_the_fields_they_fill() -> None:
    coverage, adapter = Coverage(), reading_adapter()
    for raw_step in (act(), act(args={}), act(args={"a": 0}, id="7"), {"kind": "note", "say": "x"}):
        coverage.add_reading(adapter.read(raw_step))
    assert coverage.to_counters() == {
        "forewarn_adapter_steps_total": {"0": 3, "unknown": 1},
        "forewarn_adapter_fields_filled_total": {
            **dict.fromkeys(FIELDS, 0),
            "action": 3,
            "args": 1,
            "metadata": 1,
        },
        "forewarn_adapter_steps_truncated_total": 0,
    }
    assert (coverage.known, coverage.fills["action"]) == (0.75, 0.75)


def test_the_start_of_a_run_is_not_counted() -> None:
    coverage = Coverage()
    coverage.add_reading(reading_adapter().read({"start": {"/task": "find shoes"}}))
    assert (coverage.steps, coverage.known) == (0, 0.0)


@pytest.mark.parametrize(
    "more",
    [
        {"say": "x" * 101},
        {"args": [[["deep"], ["x"], [["deeper"]]]]},
        {"args": list(range(5))},
        {"args": [[1, 2, 3, 4]] * 3},
        {"args": {"x" * 201: 1}},
        {"calls": [{"name": "look"}] * 5},
    ],
    ids=["a long text", "a deep value", "many items", "many values", "a long key", "a long list on the way"],
)
def test_what_a_limit_cuts_off_is_noted(more: dict[str, Any]) -> None:
    assert reading_adapter().read(act(**more)).truncated


@pytest.mark.parametrize(
    "more",
    [
        {"say": "x" * 100},
        {"args": [[["deep"], []]]},
        {"args": [1, 2, 3, 4]},
        {"args": [[1, 2], [3, 4], [5]]},
        {"calls": [{"name": "look"}] * 4},
        {"id": "x" * 500},
        {"aside": "x" * 500},
    ],
    ids=["text", "depth", "items", "values", "a list on the way", "metadata", "what no field reads"],
)
def test_what_just_fits_is_not(more: dict[str, Any]) -> None:
    assert not reading_adapter().read(act(**more)).truncated


def test_a_long_block_of_text_is_noted_though_its_end_is_never_looked_at() -> None:
    case = {"when": {"/Action": []}, "acts": True, "fields": {"tool": [{"path": "/Action"}]}}
    adapter = reading_adapter(unit="text", blocks={"opens": ["Action:", "Note:"]}, cases=[case])
    assert adapter.read("Action: look\nNote: " + "x" * 400).truncated
    assert not adapter.read("Action: look\nNote: " + "x" * 300).truncated


def test_an_adapter_of_very_many_cases_has_a_bounded_number_of_counters() -> None:
    coverage = Coverage()
    for case in range(10_000):
        coverage.add(StepView(), case, True, False)
    assert len(coverage.by_case()) == MAX_CASES
    assert sum(coverage.by_case().values()) == 10_000
