"""What every monitor keeps to, whatever scores it."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitors import Monitor, RunState, Verdict
from monitors.stepview import JsonValue
from tests.monitors.adapter.test_totality import HOSTILE, JSON
from tests.tiny_bundle import chat_run

RUNS = [chat_run(random.Random(seed), fails=seed % 2 == 0, turns=2 + seed) for seed in range(9)]
SAME_FIXTURE = [HealthCheck.function_scoped_fixture]


def stream(monitor: Monitor, raw_steps: list[JsonValue]) -> list[Verdict]:
    session = monitor.session()
    return [session.step(raw_step) for raw_step in raw_steps]


def assert_close(left: Verdict, right: Verdict) -> None:
    for name in ("risk", "failure_probability", "score"):
        assert getattr(left, name) == pytest.approx(getattr(right, name), abs=1e-5)
    assert (left.turn, left.view, left.known) == (right.turn, right.view, right.known)


def test_appending_later_steps_never_changes_an_earlier_score(scored_monitor: Monitor) -> None:
    whole = stream(scored_monitor, RUNS[5])

    for length in range(1, len(RUNS[5])):
        other_end = stream(scored_monitor, RUNS[5][:length] + RUNS[6])
        assert other_end[:length] == whole[:length]


def test_a_batch_of_runs_scores_as_as_many_sessions(scored_monitor: Monitor) -> None:
    alone = [stream(scored_monitor, run) for run in RUNS]
    states = [scored_monitor.initial_state() for _ in RUNS]

    for index in range(max(len(run) for run in RUNS)):
        live = [number for number, run in enumerate(RUNS) if index < len(run)]
        results = scored_monitor.advance([states[one] for one in live], [RUNS[one][index] for one in live])
        for number, (state, verdict) in zip(live, results, strict=True):
            states[number] = state
            assert_close(verdict, alone[number][index])


def test_a_run_scores_the_same_whatever_its_place_in_the_batch(scored_monitor: Monitor) -> None:
    states = [scored_monitor.initial_state() for _ in RUNS]
    raw_steps = [run[1] for run in RUNS]

    forwards = scored_monitor.advance(states, raw_steps)
    backwards = scored_monitor.advance(states, raw_steps[::-1])[::-1]

    for (_, one), (_, other) in zip(forwards, backwards, strict=True):
        assert_close(one, other)


def test_a_state_saved_and_restored_at_every_step_changes_nothing_at_all(scored_monitor: Monitor) -> None:
    uninterrupted = stream(scored_monitor, RUNS[6])

    state, resumed = scored_monitor.initial_state(), []
    for raw_step in RUNS[6]:
        ((state, verdict),) = scored_monitor.advance([RunState.from_bytes(state.to_bytes())], [raw_step])
        resumed.append(verdict)

    assert resumed == uninterrupted


def test_unknown_fields_are_tolerated(scored_monitor: Monitor) -> None:
    extended: list[JsonValue] = [{"unknown": [1, {"role": "tool"}], **step, "x": None} for step in RUNS[4]]  # type: ignore[dict-item]

    assert stream(scored_monitor, extended) == stream(scored_monitor, RUNS[4])


def test_scores_are_finite_and_probabilities_lie_between_zero_and_one(scored_monitor: Monitor) -> None:
    for run in RUNS:
        for verdict in stream(scored_monitor, run):
            assert np.isfinite(verdict.score)
            assert 0 <= verdict.risk <= 1
            assert 0 <= verdict.failure_probability <= 1
            assert 0 <= verdict.symbol < scored_monitor.manifest.n_symbols


def test_state_is_small_and_of_the_same_size_at_step_10_and_step_1000(scored_monitor: Monitor) -> None:
    raw_steps = chat_run(random.Random(1), fails=True, turns=600)
    session, sizes = scored_monitor.session(), []
    for raw_step in raw_steps[:1000]:
        session.step(raw_step)
        sizes.append(len(session.state.to_bytes()))

    assert len(sizes) == 1000
    assert sizes[9] == sizes[999] <= 4096


def test_advancing_leaves_the_given_states_as_they_were(scored_monitor: Monitor) -> None:
    session = scored_monitor.session()
    for raw_step in RUNS[7][:6]:
        session.step(raw_step)
    state = session.state
    before = state.to_bytes()

    first = scored_monitor.advance([state, state], RUNS[7][6:8])
    again = scored_monitor.advance([state, state], RUNS[7][6:8])

    assert state.to_bytes() == before
    assert [after.to_bytes() for after, _ in first] == [after.to_bytes() for after, _ in again]
    assert [verdict for _, verdict in first] == [verdict for _, verdict in again]


def test_no_steps_give_no_verdicts(scored_monitor: Monitor) -> None:
    assert scored_monitor.advance([], []) == []


@given(st.lists(JSON, min_size=1, max_size=3))
@settings(max_examples=30, suppress_health_check=SAME_FIXTURE)
def test_no_json_stops_a_run(scored_monitor: Monitor, values: list[Any]) -> None:
    hostile = [
        {"role": role, "content": value, "tool_calls": value} for value in values for role in ("assistant", "tool")
    ]

    for verdict in stream(scored_monitor, [*values, *hostile, *RUNS[0][:3]]):
        assert np.isfinite([verdict.score, verdict.risk, verdict.failure_probability]).all()


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_value_stops_a_run(scored_monitor: Monitor, name: str) -> None:
    value = HOSTILE[name]
    call = {"role": "assistant", "content": value, "tool_calls": [{"function": {"name": value, "arguments": value}}]}

    verdicts = stream(scored_monitor, [value, call, {"role": "tool", "content": value}, RUNS[0][1]])

    assert np.isfinite([verdict.score for verdict in verdicts]).all()


def test_alerts_open_exactly_where_the_rule_says(scored_monitor: Monitor) -> None:
    threshold, release = scored_monitor.rule.threshold, scored_monitor.rule.release
    opened = 0
    for run in RUNS:
        warning, risk_before, episode = False, scored_monitor.manifest.calibration.base_risk, 0
        for verdict in stream(scored_monitor, run):
            opens = not warning and verdict.score > threshold
            warning = opens or (warning and verdict.score > release)
            episode += opens
            assert verdict.state == ("warning" if warning else "ok")
            assert (verdict.alert is not None) == opens
            if verdict.alert is not None:
                opened += 1
                expected = (
                    episode,
                    verdict.turn,
                    verdict.score,
                    threshold,
                    verdict.risk,
                    verdict.failure_probability,
                    risk_before,
                )
                assert dataclasses.astuple(verdict.alert) == expected
            risk_before = verdict.risk
    assert opened > 0
