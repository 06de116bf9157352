from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from induction.adapters.applying import apply_adapter
from induction.errors import UnreadableRawError
from induction.reading import ReadFault, read_runs
from monitors.adapter import AdapterSpec, compile_adapter, parse_spec


@pytest.fixture
def spec() -> AdapterSpec:
    fields = {"action": [{"path": "/content"}], "tool": [{"path": "/tool_calls/*/function/name"}]}
    case = {"when": {"/role": ["assistant"]}, "acts": True, "fields": fields}
    source = {"runs": ["/runs/*"], "events": ["/messages/*"]}
    return parse_spec({"format": 1, "name": "chat", "source": source, "event": {"cases": [case]}})


def test_every_raw_step_of_every_run_is_applied_once_in_order(chat_corpus: Path, spec: AdapterSpec) -> None:
    places = [(step.file, step.loc, step.index) for step in apply_adapter(chat_corpus, spec)]
    runs = list(read_runs(chat_corpus, spec))
    assert len(runs) == 40
    assert places == [(run.file, run.loc, index) for run in runs for index in range(len(run.events))]


def test_a_view_is_what_a_live_step_would_give(chat_corpus: Path, spec: AdapterSpec) -> None:
    adapter = compile_adapter(spec)
    live = [adapter.view(event) for run in read_runs(chat_corpus, spec) for event in run.events]
    assert [(step.view, step.known) for step in apply_adapter(chat_corpus, spec)] == live


def test_a_line_holds_place_and_the_seven_fields(chat_corpus: Path, spec: AdapterSpec) -> None:
    line = orjson.loads(next(apply_adapter(chat_corpus, spec)).to_json())
    assert list(line) == ["file", "loc", "index", "view"]
    assert list(line["view"]) == ["metadata", "observation", "action", "tool", "args", "result", "status"]
    assert (line["file"], line["loc"], line["index"]) == ("part0.json", 0, 0)


def test_only_so_many_runs_are_read_as_asked(chat_corpus: Path, spec: AdapterSpec) -> None:
    assert {(step.file, step.loc) for step in apply_adapter(chat_corpus, spec, max_runs=3)} == {
        ("part0.json", 0),
        ("part0.json", 1),
        ("part0.json", 2),
    }


def test_a_file_that_is_one_run_has_no_loc(tmp_path: Path, spec: AdapterSpec) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"messages": [{"role": "assistant", "content": "done"}]}))
    alone = spec.model_copy(update={"source": spec.source.model_copy(update={"runs": ("",)})})
    assert [(step.file, step.loc, step.view.action) for step in apply_adapter(tmp_path, alone)] == [
        ("one.json", None, "done")
    ]


def test_values_that_are_no_json_still_make_a_line(tmp_path: Path, spec: AdapterSpec) -> None:
    (tmp_path / "one.json").write_text(
        '{"runs": [{"messages": [{"role": "assistant", "content": [NaN, "\\ud800", 1e400]}]}]}'
    )
    (step,) = apply_adapter(tmp_path, spec)
    assert orjson.loads(step.to_json())["view"]["action"]


def test_files_that_cannot_be_read_are_named_and_skipped(chat_corpus: Path, spec: AdapterSpec) -> None:
    (chat_corpus / "part9.json").write_text('{"runs": [')
    skipped: list[ReadFault] = []
    assert len({(step.file, step.loc) for step in apply_adapter(chat_corpus, spec, on_fault=skipped.append)}) == 40
    assert [fault.file for fault in skipped] == ["part9.json"]


def test_raw_that_is_not_there_is_an_error(tmp_path: Path, spec: AdapterSpec) -> None:
    with pytest.raises(UnreadableRawError, match="no such file"):
        next(apply_adapter(tmp_path / "nowhere", spec))
