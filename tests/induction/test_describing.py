from __future__ import annotations

from typing import Any

from induction.adapters.describing import summarise
from monitors.adapter import parse_spec

CASES = [{"when": {"/Action": []}, "acts": True, "fields": {"action": [{"path": "/Action"}]}}]


def summary(**parts: Any) -> Any:
    return summarise(parse_spec({"name": "x", "event": {"cases": CASES}, **parts}))


def test_a_text_unit_names_its_literals_and_what_goes_on_with_what() -> None:
    blocks = {"opens": ["Thought:", "Action:"], "ends_at_blank_line": True, "leads": {"Thought:": ["Action:"]}}
    unit = summary(event={"unit": "text", "blocks": blocks, "cases": CASES}).event_unit
    assert unit == (
        "a block of text that starts with one of 'Thought:', 'Action:', 'Thought:' goes on with 'Action:', "
        "and ends at a blank line"
    )


def test_conditions_read_as_sentences() -> None:
    when = {"/role": ["tool", None, True], "/content": []}
    case = {"when": when, "acts": False, "fields": {}}
    (shown,) = summary(event={"cases": [case]}).cases
    assert shown.when == "/role is 'tool' or null or true and /content is there"
    assert shown.fields == {}


def test_a_selector_says_all_that_it_takes() -> None:
    selector = {
        "path": "/c/*/t",
        "where": {"/k": ["x"]},
        "template": "{name}({args})",
        "take": "name",
        "decode": "json",
    }
    case = {"when": {}, "acts": True, "fields": {"tool": [selector]}}
    (shown,) = summary(event={"cases": [case]}).cases
    assert shown.when == "every raw step"
    assert shown.fields == {"tool": ("/c/*/t where /k is 'x' as {name}({args}), its name decoded",)}


def test_the_source_says_where_runs_and_outcomes_are() -> None:
    lines = summary(
        source={"runs": ["/a/*", ""], "events": ["/m/*"], "outcome": {"path": "/r", "at_least": 1.0}, "order_by": "/t"}
    ).source
    assert "runs at /a/*, else the whole file" in lines
    assert "ordered by /t" in lines
    assert "outcome at /r, success is at least 1 (read for training only)" in lines


def test_what_is_set_is_never_left_out() -> None:
    assert summary(cuts=[{"field": "result", "from": "Score", "whole": True}]).cuts == (
        "result: dropped where it holds 'Score'",
    )
    assert summary(status={"error_if": {"/e": []}, "error_text": ["bad"], "ok_if_result": True}).status == (
        "error if /e is there",
        "error if the result holds 'bad'",
        "ok if there is a result and no sign of error",
    )
