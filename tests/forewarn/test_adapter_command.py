from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forewarn.cli import main


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


SPEC: dict[str, Any] = {
    "format": 1,
    "name": "log [beta]",
    "source": {"events": ["/*"]},
    "event": {
        "cases": [
            {
                "when": {"/kind": ["act"]},
                "acts": True,
                "fields": {"action": [{"path": "/say"}], "tool": [{"path": "/call", "decode": "json"}]},
            }
        ]
    },
    "cuts": [{"field": "action", "from": "Score:"}],
}


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "adapter.json"
    path.write_text(json.dumps(SPEC))
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(3):
        steps = [{"kind": "act", "say": f"step {step}", "call": "look"} for step in range(4)]
        (folder / f"run{number}.json").write_text(json.dumps([*steps, {"kind": "note"}]))
    return folder


def test_apply_writes_one_line_a_raw_step(
    adapter: Path, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "steps.jsonl"
    assert run("adapter", "apply", adapter, raw, "--out", out) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 15
    assert lines[1]["view"]["action"] == "step 1"
    assert "15 steps of 3 runs, 3 of a kind" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_apply_keeps_to_the_limit_and_writes_to_standard_output(
    adapter: Path, raw: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run("adapter", "apply", adapter, raw, "--out", "-", "--limit", 1) == 0
    lines = capsysbinary.readouterr().out.splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0, 1, 2, 3, 4]


def test_apply_leaves_an_older_file_alone_where_raw_is_missing(adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "steps.jsonl"
    out.write_text("older")
    assert run("adapter", "apply", adapter, tmp_path / "nowhere", "--out", out) == 1
    assert out.read_text() == "older"


def test_check_passes_at_the_threshold_and_fails_below_in_one_line(
    adapter: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("adapter", "check", adapter, raw, "--threshold", 0.8) == 0
    shown = capsys.readouterr()
    assert "80.0% of 15 raw steps in 3 runs fit" in shown.out
    assert "not known, 3 times: {kind}" in shown.out
    assert run("adapter", "check", adapter, raw) == 1
    line = capsys.readouterr().err.strip()
    assert line == (
        f"forewarn: {adapter} no longer fits {raw}: 80.0% of the raw steps fit, less than 95.0%; "
        "`forewarn induce RAW --out FILE` makes an adapter for runs like these"
    )


def test_check_prints_what_reading_costs_and_what_limits_cut_off(
    adapter: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "long.json").write_text(json.dumps([{"kind": "act", "say": "x" * 30_000}] * 5))
    assert run("adapter", "check", adapter, raw, "--threshold", 0.5) == 0
    shown = capsys.readouterr().out
    assert "µs a raw step (p99" in shown
    assert "µs per 2 KB (p99" in shown
    assert "25.00% of the raw steps were cut to the adapter's limits" in shown


def test_apply_fails_where_it_finds_no_raw_step_and_writes_nothing(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "x.json").write_text('{"elsewhere": []}')
    assert run("adapter", "apply", adapter, tmp_path / "raw", "--out", tmp_path / "steps.jsonl") == 1
    assert "finds no raw step" in (said := capsys.readouterr().err)
    assert "`forewarn induce RAW --out FILE` makes an adapter" in said
    assert list(tmp_path.glob("steps*")) == []


@pytest.mark.parametrize("out", ["nowhere/steps.jsonl", "."])
def test_apply_says_at_once_where_it_cannot_write(
    out: str, adapter: Path, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("adapter", "apply", adapter, raw, "--out", tmp_path / out) == 2
    assert "--out" in capsys.readouterr().err


def test_check_gives_its_figures_as_json(adapter: Path, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("adapter", "check", adapter, raw, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["ok"], shown["threshold"], shown["fitting"]) == (False, 0.95, 0.8)
    assert shown["cases"][0]["fills"] == {"action": 1.0, "tool": 1.0}


def test_check_says_where_no_raw_step_was_found(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "x.json").write_text('{"elsewhere": []}')
    assert run("adapter", "check", adapter, tmp_path / "raw", "--threshold", 0) == 1
    assert "finds no raw step there (x.json: holds no run" in capsys.readouterr().err


def test_show_says_what_is_read_from_where(adapter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("adapter", "show", adapter) == 0
    shown = capsys.readouterr().out
    assert "adapter log [beta]" in shown
    assert "/kind is 'act'" in shown
    assert "tool ← /call decoded" in shown
    assert "action: cut from 'Score:' on" in shown


def test_show_gives_the_summary_as_json(adapter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("adapter", "show", adapter, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["cases"] == [
        {"when": "/kind is 'act'", "acts": True, "fields": {"action": ["/say"], "tool": ["/call decoded"]}}
    ]


def test_show_prints_the_schema_without_an_adapter(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("adapter", "show", "--schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "forewarn adapter, format 1"
    assert run("adapter", "show") == 2


def test_diff_tells_equal_from_different_by_its_exit_status(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("adapter", "diff", adapter, adapter) == 0
    assert capsys.readouterr().out == ""
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**SPEC, "cuts": [], "status": {"ok_if_result": True}}))
    assert run("adapter", "diff", adapter, other) == 1
    assert capsys.readouterr().out.splitlines() == [
        "~ status.ok_if_result: false → true",
        '- cuts.0: {"field":"action","from":"Score:","whole":false,"unless":[]}',
    ]
    assert run("adapter", "diff", adapter, other, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["equal"] is False
    assert shown["differences"][1]["kind"] == "removed"


def test_a_file_that_is_no_adapter_is_named_with_its_faults(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"name": "", "event": {"cases": []}}))
    assert run("adapter", "check", path, raw) == 1
    said = capsys.readouterr().err
    assert "name:" in said
    assert "event.cases:" in said
