"""Runs that are folders of files: found from names and content, read as one document, outcome beside the steps."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from induction.adapters.folder_runs import find_folder_runs
from induction.adapters.proposer import propose_adapter
from induction.adapters.sampling import sample_documents
from induction.reading import ReadFault, open_raw, read_runs
from monitors.adapter import compile_adapter, parse_spec
from monitors.adapter.spec import Folder
from tests.induction.conftest import chat_messages, sentence

CASES = {"cases": [{"when": {}, "acts": True, "fields": {"action": [{"path": "/thought"}]}}]}


def write_step(path: Path, rng: random.Random, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    action = {"name": rng.choice(["click", "type"]), "arguments": {"id": rng.randint(1, 99)}}
    elements = [{"tag": "a", "text": sentence(rng, 4)} for _ in range(5)]
    step = {"number": number, "thought": sentence(rng), "action": action, "observation": sentence(rng, 20)}
    path.write_text(json.dumps({**step, "elements": elements}))


def write_result(path: Path, rng: random.Random, task: int) -> None:
    path.write_text(json.dumps({"success": rng.random() < 0.5, "task_id": f"t{task % 5}"}))


def numbered_episodes(raw: Path, rng: random.Random) -> None:
    for episode in range(12):
        for number in range(1, rng.randint(5, 13)):
            write_step(raw / f"ep_{episode:03}" / f"{number:04}.json", rng, number)
        write_result(raw / f"ep_{episode:03}" / "result.json", rng, episode)
        (raw / f"ep_{episode:03}" / "screen_1.png").write_bytes(b"\x89PNG\x00\x00")


def episodes_in_a_folder_of_their_own(raw: Path, rng: random.Random) -> None:
    for episode in range(12):
        for number in range(rng.randint(5, 13)):
            write_step(raw / f"agent{episode % 2}" / f"ep{episode}" / "steps" / f"step_{number}.json", rng, number)
        write_result(raw / f"agent{episode % 2}" / f"ep{episode}" / "result.json", rng, episode)


def a_log_beside_a_result(raw: Path, rng: random.Random) -> None:
    for episode in range(12):
        folder = raw / f"ep_{episode}"
        folder.mkdir(parents=True)
        turns = [f"Action: click[{sentence(rng, 3)}]\nObservation: {sentence(rng)}\n" for _ in range(rng.randint(3, 8))]
        (folder / "agent.log").write_text("\n".join(turns))
        write_result(folder / "result.json", rng, episode)


def a_history_told_anew_each_step(raw: Path, rng: random.Random) -> None:
    for episode in range(12):
        messages = chat_messages(rng)
        (raw / f"ep_{episode}").mkdir(parents=True)
        for number in range(1, len(messages)):
            step = {"messages": messages[:number], "reply": sentence(rng)}
            (raw / f"ep_{episode}" / f"{number}.json").write_text(json.dumps(step))


FOLDERS: dict[str, tuple[Callable[[Path, random.Random], None], Folder]] = {
    "numbered": (numbered_episodes, Folder(steps=("#.json",), beside=("result.json", "screen_#.png"))),
    "inner folder": (episodes_in_a_folder_of_their_own, Folder(steps=("steps/step_#.json",), beside=("result.json",))),
    "log": (a_log_beside_a_result, Folder(steps=("agent.log",), beside=("result.json",))),
    "history": (a_history_told_anew_each_step, Folder(steps=("#.json",))),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_that_are_runs_are_told_by_names_and_content(tmp_path: Path, name: str) -> None:
    write, folder = FOLDERS[name]
    write(tmp_path, random.Random(1))
    with open_raw(tmp_path) as files:
        found = find_folder_runs(files)
    assert found == (folder, "text" if name == "log" else "json")


def runs_by_model(raw: Path, rng: random.Random) -> None:
    for model in range(4):
        (raw / f"model_{model}").mkdir(parents=True)
        for number in range(1, rng.randint(4, 9)):
            run = {"task": sentence(rng), "messages": chat_messages(rng)}
            (raw / f"model_{model}" / f"run_{number}.json").write_text(json.dumps(run))
        (raw / f"model_{model}" / "settings.json").write_text('{"temperature": 0.1}')


def logs_by_model(raw: Path, rng: random.Random) -> None:
    for model in range(4):
        a_log = raw / f"m{model}"
        a_log_beside_a_result(a_log, rng)
        for path in sorted(a_log.glob("*/agent.log")):
            path.rename(a_log / f"{path.parent.name}.log")
            (path.parent / "result.json").unlink()
            path.parent.rmdir()


def lines_by_model(raw: Path, rng: random.Random) -> None:
    for model in range(4):
        (raw / f"m{model}").mkdir(parents=True)
        for number in range(5):
            lines = [json.dumps({"text": sentence(rng), "action": sentence(rng, 3)}) for _ in range(6)]
            (raw / f"m{model}" / f"{number}.jsonl").write_text("\n".join(lines))


@pytest.mark.parametrize("write", [runs_by_model, logs_by_model, lines_by_model])
def test_numbered_files_that_hold_steps_themselves_are_runs(
    tmp_path: Path, write: Callable[[Path, random.Random], None]
) -> None:
    write(tmp_path, random.Random(1))
    with open_raw(tmp_path) as files:
        assert find_folder_runs(files) is None


@pytest.mark.parametrize("name", ["numbered", "inner folder", "log"])
def test_an_adapter_for_folders_finds_runs_tasks_outcomes_and_actions(tmp_path: Path, name: str) -> None:
    FOLDERS[name][0](tmp_path, random.Random(1))
    proposal = propose_adapter(tmp_path)
    runs = list(read_runs(tmp_path, proposal.spec))
    results = {
        path.parent.relative_to(tmp_path).as_posix(): json.loads(path.read_text())
        for path in tmp_path.rglob("result.json")
    }
    assert {run.file: (run.loc, run.task, run.success) for run in runs} == {
        file: (None, result["task_id"], result["success"]) for file, result in results.items()
    }
    adapter = compile_adapter(proposal.spec)
    views = [adapter.view(event)[0] for run in runs for event in run.events]
    assert {view.tool for view in views if view.actions} <= {"click", "type"}
    assert any(view.actions for view in views)


def test_steps_come_by_number_and_the_result_is_none_of_them(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        for kind in ("reply", "call"):
            (tmp_path / f"{kind}_{number}.json").write_text(json.dumps({"is": f"{kind} {number}"}))
    (tmp_path / "result.json").write_text('{"success": true}')
    (tmp_path / "notes.txt").write_text("nothing to see")
    source = {
        "folder": {"steps": ["call_#.json", "reply_#.json"], "beside": ["result.json"]},
        "events": ["/steps/*"],
        "outcome": {"path": "/beside/result.json/success", "equals": [True]},
    }
    (run,) = read_runs(tmp_path, parse_spec({"name": "x", "source": source, "event": CASES}))
    assert (run.file, run.loc, run.success) == (".", None, True)
    assert [event["is"] for event in run.events] == [f"{kind} {n}" for n in (1, 2, 10) for kind in ("call", "reply")]  # type: ignore[index, call-overload]


def test_a_step_that_cannot_be_read_is_named_and_its_run_is_kept(tmp_path: Path) -> None:
    numbered_episodes(tmp_path, random.Random(1))
    (tmp_path / "ep_003" / "0002.json").write_text('{"thought": ')
    faults: list[ReadFault] = []
    spec = parse_spec(
        {"name": "x", "source": {"folder": {"steps": ["#.json"]}, "events": ["/steps/*"]}, "event": CASES}
    )
    runs = list(read_runs(tmp_path, spec, on_fault=faults.append))
    assert len(runs) == 12
    assert [fault.file for fault in faults] == ["ep_003/0002.json"]


def test_each_folder_is_one_document_of_the_sample(tmp_path: Path) -> None:
    numbered_episodes(tmp_path, random.Random(1))
    documents, _ = sample_documents(tmp_path)
    assert [document.path for document in documents] == [f"ep_{episode:03}" for episode in range(12)]
    assert all(dict(document.reading) == {"folder": FOLDERS["numbered"][1]} for document in documents)
