from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from induction.adapters.inducing import induce_adapter
from induction.adapters.llm.settings import LlmSettings
from induction.errors import NoRunsError
from tests.chat_endpoint import GOOD, Endpoint, Reply, proposed

Build = Callable[..., LlmSettings]


def test_without_a_model_the_statistical_proposal_is_the_only_one(small_corpus: Path) -> None:
    contest = induce_adapter(small_corpus).contest
    assert [candidate.proposer for candidate in contest.candidates] == ["statistical"]
    assert contest.asked == ""


def test_both_proposals_are_judged_and_the_reason_is_said(
    small_corpus: Path, endpoint: Endpoint, settings: Build
) -> None:
    endpoint.script = [proposed(GOOD)]
    contest = induce_adapter(small_corpus, llm=settings()).contest
    assert {candidate.proposer for candidate in contest.candidates} == {"statistical", "model's"}
    assert contest.why.startswith(f"the {contest.winner.proposer} proposal is taken: ")
    assert contest.asked.startswith("tester proposed a valid adapter in 1 round (900 tokens, recorded in ")


def test_a_model_that_fails_changes_nothing_but_what_is_said(
    small_corpus: Path, endpoint: Endpoint, settings: Build
) -> None:
    endpoint.script = [Reply("no", 403)]
    alone, beside = induce_adapter(small_corpus), induce_adapter(small_corpus, llm=settings())
    assert beside.proposal.spec == alone.proposal.spec
    assert "answered 403" in beside.contest.asked


def test_a_model_is_asked_where_the_statistical_proposer_finds_no_runs(
    tmp_path: Path, endpoint: Endpoint, settings: Build
) -> None:
    """Steps that are keys of an object are beyond the spec; lists of one step a run are beyond the statistics."""
    raw = tmp_path / "odd"
    raw.mkdir()
    for number in range(12):
        (raw / f"{number}.json").write_text(
            json.dumps({"a": {"said": f"I look at {number}", "got": f"a thing {number}"}})
        )
    with pytest.raises(NoRunsError):
        induce_adapter(raw)
    case = {
        "when": {"/said": []},
        "acts": True,
        "fields": {"action": [{"path": "/said"}], "result": [{"path": "/got"}]},
    }
    endpoint.script = [proposed({"name": "odd", "source": {"events": ["/a"]}, "event": {"cases": [case]}})]
    induction = induce_adapter(raw, llm=settings())
    assert induction.contest.why == "the model's proposal is the only one"
    assert induction.report.turns == 1.0


def test_where_both_find_nothing_both_say_so(tmp_path: Path, endpoint: Endpoint, settings: Build) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "x.json").write_text("{}")
    endpoint.script = [Reply("no", 403)]
    with pytest.raises(NoRunsError, match=r"(?s)no runs found.*answered 403"):
        induce_adapter(tmp_path / "raw", llm=settings())


def test_a_proposal_that_misses_runs_with_an_outcome_loses(
    small_corpus: Path, tmp_path: Path, endpoint: Endpoint, settings: Build
) -> None:
    rows = [
        {"run": f"{file}-{loc}", "file": f"part{file}.json", "loc": loc, "task": "t", "success": loc == 0}
        for file in range(4)
        for loc in range(3)
    ]
    table = tmp_path / "runs.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)))
    moved = json.loads((small_corpus / "part3.json").read_text())
    (small_corpus / "part3.json").write_text(json.dumps({"trials": moved["runs"]}))
    endpoint.script = [proposed(GOOD)]
    induction = induce_adapter(small_corpus, table, llm=settings())
    assert induction.contest.winner.proposer == "statistical"
    assert induction.report.matched == 1.0
    assert len(induction.contest.candidates) == 2
    assert "runs with an outcome were found" in induction.contest.why


def test_ids_and_outcomes_that_the_model_leaves_out_are_kept(
    small_corpus: Path, endpoint: Endpoint, settings: Build
) -> None:
    bare = {**GOOD, "source": {"runs": ["/runs/*"], "events": ["/messages/*"]}}
    endpoint.script = [proposed(bare)]
    own, models = sorted(
        induce_adapter(small_corpus, llm=settings()).contest.candidates, key=lambda one: one.proposer, reverse=True
    )
    assert own.proposer == "statistical"
    assert own.proposal.spec.source.task_id == "/task_id"
    assert models.proposal.spec.source == own.proposal.spec.source


def test_a_model_need_not_know_that_a_run_is_a_folder(tmp_path: Path, endpoint: Endpoint, settings: Build) -> None:
    raw = tmp_path / "raw"
    for run in range(12):
        (raw / f"run_{run}").mkdir(parents=True)
        for step in range(5):
            event = {"thought": f"I think of {run * step} things", "tool": "look", "output": f"a lamp {run}.{step}"}
            (raw / f"run_{run}" / f"step_{step}.json").write_text(json.dumps(event))
    fields = {"action": [{"path": "/thought"}], "tool": [{"path": "/tool"}], "result": [{"path": "/output"}]}
    case = {"when": {"/thought": []}, "acts": True, "fields": fields}
    endpoint.script = [proposed({"name": "x", "source": {"events": ["/steps/*"]}, "event": {"cases": [case]}})]
    contest = induce_adapter(raw, llm=settings()).contest
    assert len(contest.candidates) == 2
    assert {candidate.proposal.evidence.runs for candidate in contest.candidates} == {12}
