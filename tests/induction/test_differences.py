from __future__ import annotations

import copy
from typing import Any

import pytest

from induction.adapters.differences import diff_adapters
from monitors.adapter import parse_spec

SPEC: dict[str, Any] = {
    "format": 1,
    "name": "chat",
    "source": {"runs": ["/runs/*"], "events": ["/messages/*"]},
    "event": {
        "cases": [
            {
                "when": {"/role": ["assistant", "agent"]},
                "acts": True,
                "fields": {"action": [{"path": "/content"}], "tool": [{"path": "/calls/*/name"}]},
            },
            {"when": {"/role": ["tool"]}, "acts": False, "fields": {"result": [{"path": "/content"}]}},
        ]
    },
    "status": {"error_text": ["error:", "failed"]},
}


@pytest.fixture
def other() -> dict[str, Any]:
    return copy.deepcopy(SPEC)


def differences(other: dict[str, Any]) -> list[tuple[str, str]]:
    return [(found.kind, found.path) for found in diff_adapters(parse_spec(SPEC), parse_spec(other))]


def test_an_adapter_does_not_differ_from_itself(other: dict[str, Any]) -> None:
    assert differences(other) == []


def test_defaults_that_are_written_out_make_no_difference(other: dict[str, Any]) -> None:
    other["limits"] = {"max_depth": 16}
    other["event"]["unit"] = "json"
    other["cuts"] = []
    assert differences(other) == []


def test_order_makes_no_difference_where_any_value_will_do(other: dict[str, Any]) -> None:
    other["event"]["cases"][0]["when"]["/role"].reverse()
    other["status"]["error_text"].reverse()
    assert differences(other) == []


def test_a_changed_path_is_named_by_where_it_stands(other: dict[str, Any]) -> None:
    other["event"]["cases"][1]["fields"]["result"][0]["path"] = "/output"
    (found,) = diff_adapters(parse_spec(SPEC), parse_spec(other))
    assert found.to_dict() == {
        "path": "event.cases.1.fields.result.0.path",
        "kind": "changed",
        "before": "/content",
        "after": "/output",
    }


def test_a_case_put_first_does_not_change_the_cases_after_it(other: dict[str, Any]) -> None:
    other["event"]["cases"].insert(0, {"when": {"/role": ["user"]}, "acts": False, "fields": {}})
    assert differences(other) == [("added", "event.cases.0")]


def test_cases_in_another_order_are_a_difference(other: dict[str, Any]) -> None:
    other["event"]["cases"].reverse()
    assert {kind for kind, _ in differences(other)} == {"added", "removed"}


def test_values_of_a_condition_come_and_go_one_by_one(other: dict[str, Any]) -> None:
    other["event"]["cases"][1]["when"]["/role"] = ["tool", "function"]
    assert differences(other) == [("added", "event.cases.1.when./role")]


def test_any_value_instead_of_one_is_a_change_of_the_condition(other: dict[str, Any]) -> None:
    other["event"]["cases"][1]["when"]["/role"] = []
    assert differences(other) == [("changed", "event.cases.1.when./role")]


def test_a_removed_cut_is_named(other: dict[str, Any]) -> None:
    cut = {**other, "cuts": [{"field": "result", "from": "Score:"}]}
    (found,) = diff_adapters(parse_spec(cut), parse_spec(other))
    assert (found.kind, found.path) == ("removed", "cuts.0")
    assert isinstance(found.before, dict)
    assert found.before["from"] == "Score:"


def test_a_number_is_not_the_truth_value_that_equals_it(other: dict[str, Any]) -> None:
    first, second = copy.deepcopy(other), copy.deepcopy(other)
    first["status"]["error_if"], second["status"]["error_if"] = {"/bad": [1]}, {"/bad": [True]}
    assert len(diff_adapters(parse_spec(first), parse_spec(second))) == 2
