"""The automaton of a trained monitor, and that automaton as a monitor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from induction.automaton.extracting import extract_automaton
from induction.errors import NoRunsError
from induction.evaluation.ranking import rank
from induction.learning.scoring import score_runs
from monitors import Monitor
from monitors.automaton import AutomatonMonitor
from monitors.automaton_record import Automaton
from tests.tiny_bundle import TinyBundle, labelled


def test_support_counts_the_turns_of_training_and_of_calibration_once_each(
    automaton: Automaton, folded_monitor: Monitor
) -> None:
    training = folded_monitor.manifest.training
    symbols = sum(symbol.support.turns for symbol in automaton.symbols)

    assert sum(state.training.turns + state.held_out.turns for state in automaton.states) == symbols
    assert max(state.training.runs for state in automaton.states) <= training.runs
    assert max(state.held_out.runs for state in automaton.states) <= folded_monitor.manifest.calibration.runs


def test_runs_of_the_fold_left_out_are_not_read(
    folded: TinyBundle, folded_monitor: Monitor, automaton: Automaton
) -> None:
    corpus = labelled(folded.corpus)
    without = replace(corpus, among=lambda run: run.fold != 0)

    assert extract_automaton(folded_monitor, without, minimum_support=10) == automaton


def test_a_corpus_of_other_tasks_is_refused(folded: TinyBundle, folded_monitor: Monitor) -> None:
    strangers = replace(labelled(folded.corpus), among=lambda run: run.fold == 0)

    with pytest.raises(NoRunsError, match="0 training and 0 calibration runs"):
        extract_automaton(folded_monitor, strangers)


def test_the_automaton_alone_tells_failing_from_succeeding_runs(
    folded: TinyBundle, folded_monitor: Monitor, automaton: Automaton
) -> None:
    runs = list(
        score_runs(AutomatonMonitor(folded_monitor, automaton), labelled(folded.corpus).runs(lambda _, f: f == 0))
    )
    greatest = np.array([run.score.max() for run in runs])
    failed = np.array([not run.success for run in runs])

    assert len(runs) == 32
    assert rank(greatest, failed, np.arange(len(runs))).area_under_roc(np.ones((1, len(runs))))[0] > 0.65


def test_later_steps_never_change_an_earlier_score(
    folded: TinyBundle, folded_monitor: Monitor, automaton: Automaton
) -> None:
    machine = AutomatonMonitor(folded_monitor, automaton)
    events = folded.corpus.runs[3]

    def scores(steps: list[object]) -> list[float]:
        state, found = machine.initial_state(), []
        for step in steps:
            ((state, verdict),) = machine.advance([state], [step])  # type: ignore[list-item]
            found.append(verdict.score)
        return found

    whole = scores(list(events))
    assert [scores(list(events[: place + 1]))[-1] for place in range(len(events))] == whole


def test_probabilities_are_calibrated_numbers_between_0_and_1(
    folded: TinyBundle, folded_monitor: Monitor, automaton: Automaton
) -> None:
    runs = list(
        score_runs(AutomatonMonitor(folded_monitor, automaton), labelled(folded.corpus).runs(lambda _, f: f == 1))
    )

    values = np.concatenate([np.concatenate([run.risk, run.failure]) for run in runs])
    assert ((values > 0) & (values < 1)).all()
    # Fold 1 calibrated it, so that on average it says what happened there; each run weighs the same.
    said = np.mean([run.failure.mean() for run in runs])
    assert said == pytest.approx(np.mean([not run.success for run in runs]), abs=0.05)


def test_alerts_come_where_the_score_is_above_the_automatons_own_threshold(
    folded: TinyBundle, folded_monitor: Monitor, automaton: Automaton
) -> None:
    # Its own is the greatest score there is: many runs end in the same state, and ties do not alert.
    scores = sorted(state.failure_logit for state in automaton.states)
    lower = automaton.model_copy(update={"success_maxima": [scores[-2]] * 20})
    machine = AutomatonMonitor(folded_monitor, lower)
    assert machine.rule.threshold == scores[-2]
    alerted = 0
    for events in folded.corpus.runs[:60]:
        state, greatest, opened = machine.initial_state(), -np.inf, False
        for event in events:
            ((state, verdict),) = machine.advance([state], [event])
            greatest = max(greatest, verdict.score)
            opened = opened or verdict.alert is not None
        assert opened == (greatest > machine.rule.threshold)
        alerted += opened
    assert 0 < alerted < 60


def test_terms_shown_are_used_by_three_tasks_and_examples_are_short(automaton: Automaton) -> None:
    assert any(symbol.terms for symbol in automaton.symbols)
    for state in automaton.states:
        for example in state.examples:
            assert all(0 < len(text) <= 240 for text in example.fields.values())


def test_following_the_turns_symbols_leads_where_the_automaton_goes_step_by_step(
    folded: TinyBundle, folded_monitor: Monitor, automaton: Automaton
) -> None:
    watcher = AutomatonMonitor(folded_monitor, automaton)
    for run in folded.corpus.runs[:10]:
        state, last = watcher.initial_state(), dict[int, int]()
        for raw_step in run:
            ((state, verdict),) = watcher.advance([state], [raw_step])
            last[verdict.turn] = verdict.symbol

            assert automaton.follow(last.values()) == state.now


def test_a_monitor_with_an_automaton_tells_how_runs_in_its_state_ended(
    folded: TinyBundle, folded_monitor: Monitor, automaton: Automaton
) -> None:
    audited = Monitor.read(folded.path, device="cpu", verify=False)
    audited.automaton = automaton
    step = folded.corpus.runs[0][0]
    ((_, verdict),) = audited.advance([audited.initial_state()], [step])

    evidence = audited.explain(audited.initial_state(), step, None, [verdict.symbol])

    number = automaton.follow([verdict.symbol])
    assert evidence.state is not None
    assert (evidence.state.number, evidence.state.training) == (number, automaton.states[number].training)
    assert evidence.symbol_support == automaton.symbols[verdict.symbol].support
    assert folded_monitor.explain(folded_monitor.initial_state(), step, None, [verdict.symbol]).state is None
