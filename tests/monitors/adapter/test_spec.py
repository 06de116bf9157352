"""An adapter spec is checked as a whole: all faults at once, each with its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitors.adapter import AdapterSpec, parse_spec, read_spec, write_spec
from monitors.errors import AdapterError
from tests.tiny_bundle import RAW_SPEC, tiny_spec


def spec_with(**event: Any) -> dict[str, Any]:
    return {"name": "x", "event": {"cases": [{"when": {}, "acts": False, "fields": {}}], **event}}


def faults_of(raw_spec: Any) -> dict[str, str]:
    with pytest.raises(AdapterError) as caught:
        parse_spec(raw_spec)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_all_faults_are_reported_at_once_each_with_its_path() -> None:
    raw_spec = {
        "name": "",
        "event": {
            "cases": [
                {"when": {"role": []}, "acts": True, "fields": {"action": [{"path": "text"}]}},
                {"when": {}, "acts": "perhaps", "fields": {"colour": []}},
            ]
        },
        "limits": {"max_depth": 1000},
        "surprise": 1,
    }

    paths = faults_of(raw_spec)

    assert {path for path in paths if path} >= {
        "name",
        "event.cases.0.fields.action.0.path",
        "event.cases.1.acts",
        "event.cases.1.fields.colour",
        "limits.max_depth",
        "surprise",
    }
    assert any(path.startswith("event.cases.0.when") for path in paths)


def test_a_fault_of_one_value_hides_none_between_values() -> None:
    selector = {"path": "no slash", "template": "[{name}]", "colour": "red"}
    raw_spec = {
        "event": {
            "unit": "text",
            "cases": [{"when": {}, "fields": {"action": [selector], "tool": [{"path": "/x", "take": "name"}]}}],
        }
    }

    assert faults_of(raw_spec) == {
        "name": "Field required",
        "event": "blocks must be given for unit 'text'",
        "event.cases.0.acts": "Field required",
        "event.cases.0.fields.action.0": "template and take belong together",
        "event.cases.0.fields.action.0.path": "'no slash' is no JSON pointer: it must be empty or start with '/'",
        "event.cases.0.fields.action.0.colour": "is not known here; `forewarn adapter show --schema` says what may "
        "stand where",
        "event.cases.0.fields.tool.0": "template and take belong together",
    }


@pytest.mark.parametrize("limit", ["max_depth", "max_text_chars", "max_items", "max_values"])
@pytest.mark.parametrize("value", [0, -1, 10**9, "many", None, 1.5])
def test_every_limit_has_bounds_of_its_own(limit: str, value: Any) -> None:
    assert list(faults_of({**spec_with(), "limits": {limit: value}})) == [f"limits.{limit}"]


@pytest.mark.parametrize("part", ["leads", "then"])
def test_a_literal_that_opens_no_block_leads_nowhere(part: str) -> None:
    after: Any = ["Action:"] if part == "leads" else "printed"
    found = faults_of(spec_with(unit="text", blocks={"opens": ["Action:"], part: {"Thought:": after}}))

    assert "opens has no such literal" in found[f"event.blocks.{part}.Thought:"]


@pytest.mark.parametrize("place", ["event", "event.cases", "event.cases.0.fields.action", "event.otherwise", "limits"])
@pytest.mark.parametrize("value", [None, 3, "text", [3], [[]], {"x": {"y": []}}])
def test_parts_of_a_wrong_shape_are_faults_and_never_raise_anything_else(place: str, value: Any) -> None:
    raw_spec = spec_with()
    *path, last = place.split(".")
    inner: Any = raw_spec
    for key in path:
        inner = inner[int(key) if key.isdigit() else key]
    inner[last] = value

    assert all(path.startswith(place) for path in faults_of(raw_spec))


def test_a_folder_in_the_adapters_place_says_what_goes_where(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="the adapter, one JSON file, is named first"):
        read_spec(tmp_path)


def test_the_error_is_one_line_that_names_source_and_paths() -> None:
    with pytest.raises(AdapterError) as caught:
        parse_spec({"name": "x"}, "adapter.json")

    assert str(caught.value) == "adapter.json is not a valid adapter: event: Field required"


@pytest.mark.parametrize("raw_spec", [None, 3, "text", [], [{}]])
def test_a_document_that_is_no_object_is_no_adapter(raw_spec: Any) -> None:
    assert "" in faults_of(raw_spec)


def test_a_newer_format_is_refused_at_its_path() -> None:
    assert "format" in faults_of({**spec_with(), "format": 2})


def test_a_spec_without_cases_is_refused() -> None:
    assert "event.cases" in faults_of(spec_with(cases=[]))


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ({"path": "/x", "template": "[{name}]"}, "belong together"),
        ({"path": "/x", "take": "name"}, "belong together"),
        ({"path": "/x", "template": "[{name}]", "take": "args"}, "has no part {args}"),
        ({"path": "/x", "template": "{colour}", "take": "name"}, "parts are"),
        ({"path": "/x", "template": "{name}{args}", "take": "name"}, "need a literal between"),
        ({"path": "/x", "template": "[{name}] {name}", "take": "name"}, "at most once"),
        ({"path": "/x", "template": "plain", "take": "name"}, "has no part"),
        ({"path": "/x", "template": "[{name", "take": "name"}, "parts are"),
        ({"path": "x"}, "no JSON pointer"),
    ],
)
def test_a_selector_that_cannot_work_is_refused_saying_why(selector: dict[str, str], problem: str) -> None:
    found = faults_of(spec_with(cases=[{"when": {}, "acts": True, "fields": {"action": [selector]}}]))

    assert any(problem in message for message in found.values())


def test_text_has_blocks() -> None:
    assert "blocks must be given" in faults_of(spec_with(unit="text"))["event"]


def test_an_empty_block_opener_is_refused() -> None:
    assert "event.blocks.opens.0" in faults_of(spec_with(unit="text", blocks={"opens": [""]}))


def test_a_written_spec_reads_back_equal(tmp_path: Path) -> None:
    write_spec(tiny_spec(), tmp_path / "adapter.json")

    assert read_spec(tmp_path / "adapter.json") == tiny_spec()


def test_a_spec_with_every_part_reads_back_equal(tmp_path: Path) -> None:
    raw_spec = {
        **RAW_SPEC,
        "event": {
            "unit": "text",
            "blocks": {
                "opens": ["Thought:", "Action:"],
                "ends_at_blank_line": True,
                "leads": {"Thought:": ["Action:"]},
                "then": {"Action:": "printed"},
                "first": "first literal",
                "whole": "whole text",
            },
            "time": "/time",
            "cases": [
                {
                    "when": {"/Action": []},
                    "acts": True,
                    "fields": {"tool": [{"path": "/Action", "template": "{name}[{args}]", "take": "name"}]},
                }
            ],
            "otherwise": {"observation": [{"path": "/", "only": "text"}]},
        },
        "status": {"error_if": {"/ok": [False]}, "error_text": ["failed"], "ok_if_result": True},
        "cuts": [{"field": "result", "from": "Score:", "whole": True}],
        "limits": {"max_depth": 4, "max_text_chars": 100, "max_items": 2, "max_values": 50},
    }
    spec = parse_spec(raw_spec)

    write_spec(spec, tmp_path / "adapter.json")

    assert read_spec(tmp_path / "adapter.json") == spec


def test_a_written_spec_states_its_format() -> None:
    assert b'"format": 1' in tiny_spec().to_json()


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="forewarn induce"):
        read_spec(tmp_path / "none.json")


def test_a_file_that_is_no_json_says_so(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")

    with pytest.raises(AdapterError, match="cannot be read as JSON"):
        read_spec(tmp_path / "bad.json")


def test_the_json_schema_can_be_published() -> None:
    schema = AdapterSpec.model_json_schema()

    assert {"name", "source", "event", "status", "cuts", "limits"} <= schema["properties"].keys()
