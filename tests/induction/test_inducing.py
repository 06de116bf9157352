from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from induction.adapters.inducing import induce_adapter
from induction.adapters.invariance import changed_views
from induction.adapters.leakage import first_words
from induction.adapters.proposer import propose_adapter
from induction.errors import NoRunsError
from induction.reading import read_runs
from monitors.adapter import compile_adapter
from tests.induction.truth import compare, parse_chat, parse_react


def rewrite(folder: Path, change: Callable[[Any], None]) -> None:
    for path in folder.glob("*.json"):
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))


def test_chat_runs_are_read_exactly(chat_corpus: Path) -> None:
    spec = propose_adapter(chat_corpus).spec
    runs = list(read_runs(chat_corpus, spec))
    agreement = compare(spec, [(run, parse_chat(run.events)) for run in runs])  # type: ignore[arg-type]
    assert len(runs) == 40
    assert {name: agreement.share(name) for name in agreement.wanted} == dict.fromkeys(agreement.wanted, 1.0)
    assert agreement.runs_with_right_turns == 40


def test_text_logs_are_read_exactly(react_corpus: Path) -> None:
    spec = propose_adapter(react_corpus).spec
    runs = list(read_runs(react_corpus, spec))
    agreement = compare(spec, [(run, parse_react((react_corpus / run.file).read_text())) for run in runs])
    assert len(runs) == 30
    assert {name: agreement.share(name) for name in agreement.wanted} == dict.fromkeys(agreement.wanted, 1.0)
    assert agreement.runs_with_right_turns == 30


def test_what_a_run_says_of_itself_is_found_beside_its_steps(chat_corpus: Path) -> None:
    source = propose_adapter(chat_corpus).spec.source
    assert (source.run_id, source.task_id) == ("/id", "/task_id")
    assert source.outcome is not None
    assert (source.outcome.path, source.outcome.at_least) == ("/reward", 1.0)


def test_a_score_line_in_last_observations_is_cut_and_named(react_corpus: Path) -> None:
    proposal = propose_adapter(react_corpus)
    assert [cut.literal for cut in proposal.spec.cuts] == ["Your score (out of"]
    assert any("Your score" in line for line in proposal.refused)


def test_a_log_without_its_score_line_ends_like_one_with_it(react_corpus: Path) -> None:
    spec = propose_adapter(react_corpus).spec
    adapter = compile_adapter(spec)
    assert len({repr(adapter.view(run.events[-1])) for run in read_runs(react_corpus, spec)}) == 1


def test_texts_before_the_end_start_with_few_words_or_say_nothing_of_those_at_the_end() -> None:
    assert first_words(["OK. go on", "found 3"] * 9, "Your score") == ("OK.", "found")
    assert first_words(["OK. go on", "Your turn"] * 9, "Your score") == ()
    assert first_words(["OK. go on"] * 9 + ["never seen twice"], "Your score") == ()


def test_tallies_after_a_logs_end_belong_to_no_step(react_corpus: Path) -> None:
    runs = list(read_runs(react_corpus, propose_adapter(react_corpus).spec))
    assert not any("-----" in str(event) for run in runs for event in run.events)


def test_a_summary_that_only_ends_runs_is_masked(chat_corpus: Path) -> None:
    def add(value: Any) -> None:
        for run in value["runs"]:
            run["messages"].append({"role": "summary", "content": f"reward {run['reward']}"})

    rewrite(chat_corpus, add)
    proposal = propose_adapter(chat_corpus)
    adapter = compile_adapter(proposal.spec)
    view, _ = adapter.view({"role": "summary", "content": "reward 1.0"})
    assert (view.observation, view.action, view.result) == ("", "", None)
    assert any("masked" in line and "summary" in line for line in proposal.refused)


def test_a_value_that_never_changes_within_a_run_is_refused(chat_corpus: Path) -> None:
    def add(value: Any) -> None:
        for run in value["runs"]:
            for message in run["messages"]:
                if message["role"] == "user":
                    message["message"] = f"{run['id']} will be {run['reward']} in the end"
                    del message["content"]

    rewrite(chat_corpus, add)
    proposal = propose_adapter(chat_corpus)
    view, _ = compile_adapter(proposal.spec).view({"role": "user", "message": "run-0-1 will be 1.0 in the end"})
    assert view.observation == ""
    assert any("/message" in line and "one value" in line for line in proposal.refused)


def test_the_adapter_does_not_depend_on_the_seed(chat_corpus: Path, react_corpus: Path) -> None:
    for corpus in (chat_corpus, react_corpus):
        assert len({propose_adapter(corpus, seed=seed).spec.to_json() for seed in range(5)}) == 1


def test_random_text_outside_the_steps_changes_no_step_view(chat_corpus: Path, react_corpus: Path) -> None:
    for corpus in (chat_corpus, react_corpus):
        proposal = propose_adapter(corpus)
        assert changed_views(proposal.spec, proposal.documents) == []


def test_the_proof_of_invariance_can_fail(react_corpus: Path) -> None:
    proposal = propose_adapter(react_corpus)
    blocks = proposal.spec.event.blocks
    assert blocks is not None
    open_ended = blocks.model_copy(update={"ends_at_blank_line": False})
    leaky = proposal.spec.model_copy(update={"event": proposal.spec.event.model_copy(update={"blocks": open_ended})})
    assert changed_views(leaky, proposal.documents) == []
    cut = proposal.spec.model_copy(update={"cuts": ()})
    runs = list(read_runs(react_corpus, cut))
    assert any("Your score" in str(compile_adapter(cut).view(run.events[-1])) for run in runs)


def test_the_validator_judges_runs_that_the_proposer_did_not_see(chat_corpus: Path) -> None:
    induction = induce_adapter(chat_corpus)
    assert induction.report.ok
    assert induction.report.runs == 10
    assert induction.report.known == 1.0
    assert induction.report.deterministic
    assert induction.report.stable
    assert induction.report.invariant


def test_outcomes_check_that_their_runs_are_found(chat_corpus: Path, tmp_path: Path) -> None:
    rows = [{"run": f"{n}", "file": "part0.json", "loc": n, "task": "t", "success": True} for n in range(20)]
    table = tmp_path / "runs.jsonl"
    table.write_text("\n".join(json.dumps(row) for row in rows))
    report = induce_adapter(chat_corpus, table).report
    assert report.matched == 0.5
    assert report.faults == ("only 10 of 20 runs with an outcome were found",)


def test_files_without_runs_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"depth": 3, "name": "x"}')
    with pytest.raises(NoRunsError, match="no runs found"):
        propose_adapter(tmp_path)


def test_text_without_markers_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("the sea\nthe sky\nand you\n")
    with pytest.raises(NoRunsError, match="no line starts come again and again"):
        propose_adapter(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(values=st.lists(JSON, min_size=1, max_size=6), seed=st.integers(0, 9))
def test_hostile_documents_never_raise_anything_but_a_refusal(
    values: list[Any], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    rng = random.Random(seed)
    for number, value in enumerate(values):
        name = rng.choice(["a.json", "b.jsonl", "c.log"])
        (folder / f"{number}{name}").write_text(json.dumps(value), encoding="utf-8", errors="replace")
    try:
        induction = induce_adapter(folder)
    except NoRunsError:
        return
    assert induction.report.events >= 0


@settings(max_examples=60)
@given(
    lines=st.lists(
        st.sampled_from(
            ["Action:", "Observation: x", "", "Price: 3", "é\x85: b", "{", "\ud800".encode("utf-8", "replace").decode()]
        ),
        max_size=40,
    )
)
def test_hostile_text_never_raises_anything_but_a_refusal(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "x.log").write_text("\n".join(["start", *lines]), encoding="utf-8")
    try:
        induce_adapter(folder)
    except NoRunsError:
        return


def test_an_action_and_its_answer_in_one_object_are_told_apart(tmp_path: Path) -> None:
    rng = random.Random(8)
    lines = []
    for number in range(30):
        steps: list[dict[str, Any]] = [
            {"prompt": "Answer the question with your tools. " * 5, "question": f"q {number} of all"}
        ]
        for _ in range(rng.randint(3, 6)):
            call = {
                "tool_name": rng.choice(["search", "code interpreter"]),
                "tool_arguments": {"query": f"{rng.random()} of"},
            }
            step = {"rationale": f"I will look {rng.random()} up", "tool_call": call}
            key = "error" if rng.random() < 0.2 else "observation"
            steps.append({**step, key: f"found {rng.random()} in the end"})
        lines.append(json.dumps({"task": str(number), "answer": str(rng.random()), "steps": steps}))
    (tmp_path / "runs.jsonl").write_text("\n".join(lines))
    proposal = propose_adapter(tmp_path)
    adapter = compile_adapter(proposal.spec)
    run = next(iter(read_runs(tmp_path, proposal.spec)))
    asked, first = adapter.view(run.events[0])[0], adapter.view(run.events[1])[0]
    step: Any = run.events[1]
    assert asked.actions == 0
    assert (first.actions, first.tool) == (1, step["tool_call"]["tool_name"])
    assert (first.action, first.args) == (step["rationale"], step["tool_call"]["tool_arguments"])
    assert first.result == step.get("observation", step.get("error"))
    assert first.status == ("error" if "error" in step else "ok")


def test_calls_written_out_as_text_are_read(tmp_path: Path) -> None:
    rng = random.Random(9)
    for number in range(30):
        steps = [
            {
                "text": f'[lookup({{"city": "c{rng.randint(0, 99)}"}}) -> ${rng.randint(1, 99)}]',
                "latency_s": rng.random(),
            }
            for _ in range(rng.randint(3, 6))
        ]
        steps.append({"text": f"The cheapest is {rng.random()} for you", "latency_s": 1.0})
        (tmp_path / f"run{number}.jsonl").write_text("\n".join(json.dumps(step) for step in steps))
    proposal = propose_adapter(tmp_path)
    view, known = compile_adapter(proposal.spec).view({"text": '[lookup({"city": "Oslo"}) -> $7]'})
    assert known
    assert (view.tool, view.args, view.result, view.actions) == ("lookup", {"city": "Oslo"}, "$7", 1)


def test_a_list_of_actions_counts_each_as_a_turn_and_none_as_none(tmp_path: Path) -> None:
    rng = random.Random(10)
    for number in range(30):
        steps: list[dict[str, Any]] = []
        for index in range(rng.randint(3, 6)):
            done = [
                {
                    "action": {"thoughts": f"so {rng.random()} it is", "target": str(index)},
                    "output": {"message": f"{rng.random()} ok"},
                }
                for _ in range(rng.choice([1, 1, 1, 2]))
            ]
            steps.append({"name": rng.choice(["Find", "Plan", "Edit"]), "state": {"depth": 3}, "actions": done})
        steps.append({"name": "Done", "state": {"depth": 3, "message": f"all {rng.random()} is well"}, "actions": []})
        (tmp_path / f"run{number}.json").write_text(json.dumps({"input": "fix it", "transitions": steps}))
    proposal = propose_adapter(tmp_path)
    adapter = compile_adapter(proposal.spec)
    for run in read_runs(tmp_path, proposal.spec):
        counts = [adapter.view(event)[0].actions for event in run.events]
        assert counts == [len(event["actions"]) for event in run.events if isinstance(event, dict)]
