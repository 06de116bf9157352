from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from induction.adapters.contest import Candidate, settle
from induction.adapters.proposer import Evidence, Proposal
from induction.adapters.validator import FIELDS, FieldReport, Report
from monitors.adapter import parse_spec
from tests.chat_endpoint import GOOD

Build = Callable[..., Candidate]


@pytest.fixture
def build() -> Build:
    """A candidate with the figures of a good adapter, but for those that are given."""

    def candidate(
        proposer: str, *, fills: dict[str, float] | None = None, names: int = 3, spec: Any = GOOD, **figures: Any
    ) -> Candidate:
        shares = {**dict.fromkeys(FIELDS, 0.4), **(fills or {})}
        fields = tuple(FieldReport(name, (), shares[name], names if name == "tool" else 300) for name in FIELDS)
        report = Report(
            runs=20, events=1_000, turns=6.0, known=1.0, fields=fields, cost_p50_us=9.0, cost_p99_us=40.0,
            deterministic=True, stable=True, invariant=True, refused=(), faults=(), warnings=(), examples=(),
        )  # fmt: skip
        evidence = Evidence("json", 4, 20, 500, (), ())
        return Candidate(proposer, Proposal(parse_spec(spec), evidence, (), [], []), replace(report, **figures))

    return candidate


def won(first: Candidate, second: Candidate) -> tuple[str, str]:
    contest = settle([first, second])
    return contest.winner.proposer, contest.why


def test_the_first_wins_where_no_figure_is_clearly_better(build: Build) -> None:
    assert won(build("statistical"), build("model's", known=0.995)) == (
        "statistical",
        "the statistical proposal is taken: no figure is clearly better",
    )


def test_one_alone_wins(build: Build) -> None:
    contest = settle([build("statistical")], "tester refused")
    assert (contest.winner.proposer, contest.asked) == ("statistical", "tester refused")


def test_a_valid_proposal_beats_one_that_is_not(build: Build) -> None:
    assert won(build("statistical", faults=("no turns",), known=1.0), build("model's", known=0.5)) == (
        "model's",
        "the model's proposal is taken: the statistical one is not valid (no turns)",
    )


def test_the_one_that_knows_more_raw_steps_wins(build: Build) -> None:
    proposer, why = won(build("statistical", known=0.9), build("model's", known=1.0))
    assert proposer == "model's"
    assert "100.0% of the raw steps known" in why


def test_the_one_that_fills_more_fields_wins(build: Build) -> None:
    proposer, why = won(build("statistical", fills={"tool": 0.0, "args": 0.0}), build("model's"))
    assert proposer == "model's"
    assert why.endswith(
        "6 fields filled, 100.0% of the raw steps known; the other one: 4 fields filled, 100.0% of the raw steps known"
    )


def test_a_case_for_anything_does_not_win_by_knowing_everything(build: Build) -> None:
    anything = copy.deepcopy(GOOD)
    anything["event"]["cases"] = [
        {"when": {}, "acts": True, "fields": {"action": [{"path": "/content"}], "result": [{"path": "/content"}]}}
    ]
    assert won(build("statistical", known=0.97), build("model's", spec=anything))[0] == "statistical"


def test_more_fields_do_not_make_up_for_few_known_raw_steps(build: Build) -> None:
    assert won(build("statistical", fills={"args": 0.0}), build("model's", known=0.6))[0] == "statistical"


def test_the_one_that_finds_more_calls_wins(build: Build) -> None:
    assert won(build("statistical", fills={"tool": 0.1}), build("model's"))[0] == "model's"


def test_texts_that_never_repeat_are_no_calls(build: Build) -> None:
    assert won(build("statistical", fills={"tool": 0.1}), build("model's", names=390))[0] == "statistical"


def test_no_turns_in_most_runs_loses(build: Build) -> None:
    assert won(build("statistical", turns=0.0), build("model's", known=0.9))[0] == "model's"
