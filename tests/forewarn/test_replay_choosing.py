from __future__ import annotations

import json
from pathlib import Path

import pytest

from forewarn.cli import main
from forewarn.replay.choosing import choose_runs
from induction.errors import NoRunsError
from monitors.adapter import AdapterSpec, parse_spec


@pytest.fixture
def spec() -> AdapterSpec:
    return parse_spec(
        {
            "format": 1,
            "name": "chat",
            "source": {"container": "json", "runs": ["/*"], "events": ["/messages/*"]},
            "event": {
                "unit": "json",
                "cases": [
                    {"when": {"/role": ["assistant"]}, "acts": True, "fields": {"action": [{"path": "/content"}]}}
                ],
                "otherwise": {"observation": [{"path": "/content"}]},
            },
        }
    )


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Path, Path]:
    """Twenty runs of ten tasks in two files, four folds used, and their outcomes; one more run has no steps."""
    raw, outcomes = tmp_path / "raw", tmp_path / "runs.jsonl"
    raw.mkdir()
    rows = []
    for file in ("a.json", "b.json"):
        runs = []
        for number in range(10):
            runs.append(
                {"messages": [{"role": "assistant", "content": f"{file} {number} {step}"} for step in range(3)]}
            )
            row = {"run": f"{file}#{number}", "file": file, "loc": number, "task": f"t{number}", "fold": number % 4}
            rows.append({**row, "success": number % 3 > 0})
        runs.append({"messages": []})
        rows.append({"run": f"{file}#10", "file": file, "loc": 10, "task": "t10", "fold": 0, "success": True})
        (raw / file).write_text(json.dumps(runs))
    outcomes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return raw, outcomes


def test_runs_come_with_steps_in_order_task_and_outcome(spec: AdapterSpec, corpus: tuple[Path, Path]) -> None:
    runs = {run.run: run for run in choose_runs(corpus[0], spec, corpus[1])}
    assert len(runs) == 20
    one = runs["b.json#4"]
    assert [json.loads(step)["content"] for step in one.steps] == ["b.json 4 0", "b.json 4 1", "b.json 4 2"]
    assert (one.task, one.success, runs["b.json#3"].success) == ("t4", True, False)


def test_a_fold_alone_may_be_played(spec: AdapterSpec, corpus: tuple[Path, Path]) -> None:
    assert {run.task for run in choose_runs(corpus[0], spec, corpus[1], fold=1)} == {"t1", "t5", "t9"}


def test_some_runs_are_the_first_of_all_runs_order(spec: AdapterSpec, corpus: tuple[Path, Path]) -> None:
    everything = choose_runs(corpus[0], spec, corpus[1])
    assert choose_runs(corpus[0], spec, corpus[1], at_most=5) == everything[:5]


def test_the_order_mixes_files(spec: AdapterSpec, corpus: tuple[Path, Path]) -> None:
    files = [run.run[0] for run in choose_runs(corpus[0], spec, corpus[1])]
    assert files != sorted(files)


def test_an_empty_fold_is_said(spec: AdapterSpec, corpus: tuple[Path, Path]) -> None:
    with pytest.raises(NoRunsError, match="no run to play in fold 4"):
        choose_runs(corpus[0], spec, corpus[1], fold=4)


def test_the_command_says_in_one_line_that_no_service_is_there(
    corpus: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(corpus[0]), "--outcomes", str(corpus[1]), "--url", "http://127.0.0.1:9"])
    assert ended.value.code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "http://127.0.0.1:9 does not answer" in lines[0]


def test_the_command_refuses_a_rate_that_is_none(corpus: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(corpus[0]), "--url", "http://127.0.0.1:9", "--rate", "fast"])
    assert ended.value.code == 2
    assert "'fast'" in capsys.readouterr().err


def test_runs_play_as_the_agent_of_their_row_where_thresholds_are_by_group(
    corpus: tuple[Path, Path], spec: AdapterSpec
) -> None:
    rows = [json.loads(line) for line in corpus[1].read_text().splitlines()]
    named = [{**row, **({"model": row["file"]} if row["loc"] else {})} for row in rows]
    corpus[1].write_text("".join(json.dumps(row) + "\n" for row in named))
    agents = {run.run: run.agent for run in choose_runs(corpus[0], spec, corpus[1], group_by="model")}

    assert (agents["a.json#1"], agents["b.json#2"], agents["a.json#0"]) == ("a.json", "b.json", "")
    assert {run.agent for run in choose_runs(corpus[0], spec, corpus[1])} == {"replay"}
