"""The inducer on the help desk's three raw formats, from one set of runs whose truth is known from the simulation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from induction.adapters.inducing import Induction, induce_adapter
from induction.helpdesk import HelpdeskRun, simulate, write_corpus
from induction.helpdesk.trace import AgentSaid, CustomerSaid
from induction.outcomes import OutcomeTable, read_outcomes
from induction.reading import RawRun, read_runs
from monitors.adapter import compile_adapter
from tests.induction.truth import Truth, compare

RUNS, SEED = 80, 11


def truth_of(run: HelpdeskRun, with_calls: bool) -> Truth:
    said = [event.text for event in run.events if isinstance(event, AgentSaid)]
    # A log writes a call as text, so there the call itself is a message of the agent too.
    written = [f"{call.name}[{json.dumps(call.args)}]" for call in run.calls] if with_calls else []
    return Truth(
        calls=[(call.name, call.args) for call in run.calls],
        messages=said + written,
        replies=[json.dumps(call.result) for call in run.calls],
        turns=run.turns,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("helpdesk") / "corpus"
    write_corpus(folder, runs=RUNS, seed=SEED)
    return folder


@pytest.fixture(scope="module", params=["chat", "otlp", "react"])
def induced(request: pytest.FixtureRequest, corpus: Path) -> tuple[Path, Induction]:
    folder = corpus / request.param
    return folder, induce_adapter(folder / "raw", folder / "runs.jsonl")


def read_matched(folder: Path, induction: Induction) -> list[tuple[RawRun, HelpdeskRun]]:
    table = OutcomeTable(read_outcomes(folder / "runs.jsonl"))
    known = {run.run_id: run for run in simulate(RUNS, SEED)}
    runs = read_runs(folder / "raw", induction.proposal.spec)
    return [(run, known[row.extra["run_id"]]) for run in runs if (row := table.find(run.file, run.loc)) is not None]


def test_every_run_is_found_where_the_table_says(induced: tuple[Path, Induction]) -> None:
    folder, induction = induced
    assert induction.report.ok, induction.report.faults
    assert induction.report.matched == 1.0
    assert len(read_matched(folder, induction)) == RUNS


def test_fields_and_turns_are_those_of_the_simulation(induced: tuple[Path, Induction]) -> None:
    folder, induction = induced
    pairs = read_matched(folder, induction)
    truths = [(raw, truth_of(run, with_calls=folder.name == "react")) for raw, run in pairs]
    agreement = compare(induction.proposal.spec, truths)
    assert agreement.share("tool") >= 0.95
    assert agreement.share("args") >= 0.95
    assert agreement.share("action") >= 0.95
    assert agreement.share("result") >= 0.90
    assert agreement.runs_with_right_turns >= 0.95 * RUNS


def test_what_the_customer_says_before_the_agent_acts_is_observed(induced: tuple[Path, Induction]) -> None:
    folder, induction = induced
    adapter = compile_adapter(induction.proposal.spec)
    for raw, run in read_matched(folder, induction)[:20]:
        heard = [adapter.view(event)[0].observation for event in raw.events]
        assert next(event.text for event in run.events if isinstance(event, CustomerSaid)) in heard


def test_every_raw_step_is_known(induced: tuple[Path, Induction]) -> None:
    assert induced[1].report.known == 1.0


def test_the_adapter_does_not_depend_on_the_seed(induced: tuple[Path, Induction]) -> None:
    folder, induction = induced
    for seed in (1, 2):
        assert induce_adapter(folder / "raw", folder / "runs.jsonl", seed=seed).proposal.spec == induction.proposal.spec
