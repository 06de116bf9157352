"""The inducer on raw formats that it was not developed on: what each run holds comes out, by the same call."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from induction.adapters.inducing import induce_adapter
from induction.adapters.proposer import Proposal, propose_adapter
from induction.reading import read_runs
from monitors.adapter import compile_adapter
from tests.induction.held_out import FORMATS, TOOLS, Runs
from tests.induction.truth import compare

RUNS = 40


@pytest.fixture(scope="module", params=sorted(FORMATS))
def proposed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Runs, Proposal]:
    folder = tmp_path_factory.mktemp("held-out")
    truths = FORMATS[request.param](folder, random.Random(3), RUNS)
    return folder, truths, propose_adapter(folder)


def test_every_run_is_found_with_its_calls_messages_replies_and_turns(proposed: tuple[Path, Runs, Proposal]) -> None:
    folder, truths, proposal = proposed
    runs = list(read_runs(folder, proposal.spec))
    assert {run.file for run in runs} == truths.keys()
    agreement = compare(proposal.spec, [(run, truths[run.file]) for run in runs])
    shares = {name: agreement.share(name) for name in agreement.wanted if agreement.wanted[name]}
    assert shares == dict.fromkeys(shares, 1.0)
    assert agreement.runs_with_right_turns == RUNS


def test_the_validator_accepts_it_and_knows_nearly_every_raw_step(proposed: tuple[Path, Runs, Proposal]) -> None:
    report = induce_adapter(proposed[0]).report
    assert report.ok, report.faults
    assert report.known >= 0.9


def test_the_adapter_does_not_depend_on_the_seed(proposed: tuple[Path, Runs, Proposal]) -> None:
    assert {propose_adapter(proposed[0], seed=seed).spec.to_json() for seed in (1, 2)} == {proposed[2].spec.to_json()}


def test_a_thought_opens_the_turn_of_the_action_after_it(tmp_path: Path) -> None:
    FORMATS["thoughts"](tmp_path, random.Random(3), 20)
    spec = propose_adapter(tmp_path).spec
    adapter = compile_adapter(spec)
    run = next(iter(read_runs(tmp_path, spec)))
    views = [adapter.view(event)[0] for event in run.events[:3]]
    assert [view.actions for view in views] == [1, 0, 0]
    assert views[1].tool in TOOLS
    assert views[2].result is not None


def test_a_thought_that_some_actions_lack_continues_the_turn_before(tmp_path: Path) -> None:
    FORMATS["thoughts"](tmp_path, random.Random(3), 20)
    for number, path in enumerate(sorted(tmp_path.iterdir())):
        if number % 2:
            path.write_text("\n".join(path.read_text().splitlines()[1:]))
    adapter = compile_adapter(propose_adapter(tmp_path).spec)
    thought, action = adapter.view("Thought: I look")[0], adapter.view('Action: run_shell[{"command": "ls"}]')[0]
    assert (thought.action, thought.actions) == ("I look", 0)
    assert (action.tool, action.actions) == ("run_shell", 1)
