from __future__ import annotations

import json
from pathlib import Path

import pytest

from forewarn.cli import main
from monitors.adapter import read_spec


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def test_the_adapter_is_written_and_its_fields_are_shown(
    chat_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "adapter.json"
    assert run("induce", chat_corpus, "--out", out) == 0
    shown = capsys.readouterr().out
    assert read_spec(out).source.runs == ("/runs/*",)
    assert "/tool_calls/*/function/name" in shown
    assert sum(line.startswith("example\t") for line in shown.splitlines()) == 3


def test_the_report_is_json_on_request(chat_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("induce", chat_corpus, "--out", tmp_path / "adapter.json", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert len(report["examples"]) == 3


def test_bad_input_gives_one_line_and_a_failing_exit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert run("induce", tmp_path, "--out", tmp_path / "adapter.json") == 1
    said = capsys.readouterr().err.strip()
    assert "no runs found" in said
    assert "\n" not in said
    assert not (tmp_path / "adapter.json").exists()


def test_a_bad_table_of_outcomes_is_named_with_its_line(
    chat_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "runs.jsonl"
    table.write_text("{}")
    assert run("induce", chat_corpus, "--out", tmp_path / "adapter.json", "--outcomes", table) == 1
    assert "line 1" in capsys.readouterr().err
