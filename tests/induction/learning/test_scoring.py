"""Finished runs scored as the service would."""

from __future__ import annotations

import random

import pytest

from induction.learning.labelled import LabelledRun
from induction.learning.scoring import score_runs
from monitors import Monitor
from monitors.adapter import compile_adapter
from monitors.adapter.spec import Fields
from monitors.stepview import JsonValue
from tests.tiny_bundle import chat_run, tiny_spec

TALK: JsonValue = {"role": "assistant", "content": "hello"}
REPLY: JsonValue = {"role": "user", "content": "hi"}
CALLS: JsonValue = {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}, {"function": {"name": "g"}}]}
ANSWER: JsonValue = {"role": "tool", "content": "found"}
NOTHING: JsonValue = {"role": "narrator"}


def run_of(events: list[JsonValue], name: str = "r") -> LabelledRun:
    return LabelledRun(name, "task", False, 0, events)


def test_scores_in_batches_are_those_of_a_session_for_each_run(monitor: Monitor) -> None:
    runs = [run_of(chat_run(random.Random(seed), fails=True, turns=1 + seed), f"r{seed}") for seed in range(7)]

    for run, scored in zip(runs, score_runs(monitor, runs, batch_size=3), strict=True):
        session = monitor.session()
        verdicts = [session.step(event) for event in run.events]
        assert scored.run == run.run
        assert scored.score == pytest.approx([verdict.score for verdict in verdicts], abs=1e-5)
        assert scored.risk == pytest.approx([verdict.risk for verdict in verdicts], abs=1e-5)
        assert scored.failure == pytest.approx([verdict.failure_probability for verdict in verdicts], abs=1e-5)
        assert scored.turns.tolist() == [verdict.turn for verdict in verdicts]


def test_runs_without_a_raw_step_are_left_out(monitor: Monitor) -> None:
    assert [run.run for run in score_runs(monitor, [run_of([], "empty"), run_of([TALK], "one")])] == ["one"]


def test_turns_and_their_ends_are_found_after_a_prelude(monitor: Monitor) -> None:
    (run,) = score_runs(monitor, [run_of([REPLY, TALK, REPLY, CALLS, ANSWER, ANSWER, TALK])])

    assert run.turns.tolist() == [0, 1, 1, 3, 3, 3, 4]
    assert run.actions.tolist() == [0, 1, 0, 2, 0, 0, 1]
    assert run.closed_turns().tolist() == [2, 5, 6]
    assert run.last_turn == 4


def test_a_turn_is_answered_from_its_first_reply_on(monitor: Monitor) -> None:
    (run,) = score_runs(monitor, [run_of([REPLY, TALK, NOTHING, REPLY, NOTHING, CALLS, ANSWER, TALK])])

    assert run.answered.tolist() == [True, False, False, True, True, False, True, False]


def test_another_adapter_can_say_which_turns_got_a_reply(monitor: Monitor) -> None:
    hears_nobody = tiny_spec()
    silent = [case.model_copy(update={"fields": Fields()}) for case in hears_nobody.event.cases]
    event = hears_nobody.event.model_copy(update={"cases": tuple(silent), "otherwise": Fields()})
    answers = compile_adapter(hears_nobody.model_copy(update={"event": event}))
    run = run_of([REPLY, TALK, REPLY])

    (own,), (other,) = score_runs(monitor, [run]), score_runs(monitor, [run], answers=answers)

    assert own.answered.tolist() == [True, False, True]
    assert other.answered.tolist() == [False, False, False]
    assert other.score.tolist() == own.score.tolist()


def test_a_run_in_which_the_agent_never_acts_has_no_turn(monitor: Monitor) -> None:
    (run,) = score_runs(monitor, [run_of([REPLY, NOTHING])])

    assert run.closed_turns().tolist() == []
    assert run.last_turn == 0
