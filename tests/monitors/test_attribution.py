"""Which step, fields and n-grams moved a score."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from monitors import Monitor
from monitors.attribution import explain_run, score_steps
from monitors.occlusion import StepEffect, attribute_step, name_rows
from monitors.stepview import JsonValue, StepView
from tests.tiny_bundle import TinyBundle


@pytest.fixture(scope="module")
def events(tiny: TinyBundle) -> list[JsonValue]:
    """A failed run with an error in it."""
    runs = zip(tiny.corpus.runs, tiny.corpus.successes, strict=True)
    return next(run for run, success in runs if not success and any("error:" in str(step) for step in run))


@pytest.fixture(scope="module")
def effects(monitor: Monitor, events: list[JsonValue]) -> list[StepEffect]:
    return explain_run(monitor, events, most=3)


def test_jumps_lead_from_one_score_of_the_session_to_the_next(
    monitor: Monitor, events: list[JsonValue], effects: list[StepEffect]
) -> None:
    session = monitor.session()
    scores = [session.step(event).score for event in events]

    assert [effect.after for effect in effects] == pytest.approx(scores, abs=1e-5)
    assert [effect.before for effect in effects[1:]] == pytest.approx(scores[:-1], abs=1e-5)
    assert [effect.position for effect in effects] == list(range(len(events)))


def test_only_the_steps_that_raised_the_score_most_are_looked_into(effects: list[StepEffect]) -> None:
    looked_into = {effect.position for effect in effects if effect.fields}
    highest = sorted(effects, key=lambda effect: -effect.jump)[:3]

    assert looked_into == {effect.position for effect in highest}


def test_an_emptied_field_takes_its_effect_with_it(monitor: Monitor) -> None:
    state = monitor.initial_state()
    step: JsonValue = {"role": "tool", "tool_call_id": "x", "content": "error: no such order"}
    effect = attribute_step(monitor, state, step, 0.0)

    silent = attribute_step(monitor, state, {"role": "tool", "tool_call_id": "x", "content": ""}, 0.0)
    # The status is read from the same text, and nothing else is in the step.
    (result,) = (one for one in effect.fields if one.field == "result")
    occluded = replace(monitor.adapter.read(step).view, result=None)
    features = monitor.featuriser.step(occluded, state.memory)
    assert effect.after - result.effect == pytest.approx(_score(monitor, features), abs=1e-5)
    assert silent.ngrams == ()


def test_ngrams_are_named_by_the_words_of_the_step(monitor: Monitor) -> None:
    step: JsonValue = {"role": "tool", "tool_call_id": "x", "content": "Error: no such ORDER, refund late"}
    effect = attribute_step(monitor, monitor.initial_state(), step, 0.0)

    assert effect.ngrams
    words = ["Error", "no", "such", "ORDER", "refund", "late"]
    pairs = [f"{one} {other}" for one, other in itertools.pairwise(words)]
    assert {one.text for one in effect.ngrams} <= {*words, *pairs}
    assert {one.field for one in effect.ngrams} == {"result"}


def test_leaving_an_ngram_out_is_what_its_effect_says(monitor: Monitor) -> None:
    state = monitor.initial_state()
    step: JsonValue = {"role": "tool", "tool_call_id": "x", "content": "error: no such order"}
    effect = attribute_step(monitor, state, step, 0.0)
    features = monitor.featuriser.step(monitor.adapter.read(step).view, state.memory)
    strongest = max(effect.ngrams, key=lambda one: abs(one.effect))

    rows = {
        row
        for row in features.rows.tolist()
        if strongest.text == name_rows(monitor.featuriser, monitor.adapter.read(step).view, [row])[row][0]
    }
    weights = np.where(np.isin(features.rows, list(rows)), np.float32(0), features.weights)
    without = _score(monitor, replace(features, weights=weights))
    assert effect.after - without == pytest.approx(strongest.effect, abs=1e-5)


def test_a_pair_of_words_is_not_mistaken_for_one_of_them(monitor: Monitor) -> None:
    view = StepView(observation="blue shoes please")
    rows = monitor.featuriser.step(view, monitor.featuriser.initial_memory()).rows.tolist()

    names = name_rows(monitor.featuriser, view, rows)

    assert len(names) == len(set(rows))
    for row, (text, field) in names.items():
        alone = monitor.featuriser.step(StepView(observation=text), monitor.featuriser.initial_memory())
        assert row in alone.rows
        assert field == "observation"


def test_hostile_steps_are_explained_without_an_error(monitor: Monitor) -> None:
    for step in (None, 7, {"role": "assistant", "content": "\ud800" * 50}, {"role": "tool", "content": "x " * 60_000}):
        effect = attribute_step(monitor, monitor.initial_state(), step, 0.0)
        assert np.isfinite(effect.after)


def test_what_a_silent_step_says_is_nothing(monitor: Monitor) -> None:
    steps: list[JsonValue] = [
        {"role": "user", "content": "please refund"},
        {"unknown": True},
        {"role": "tool", "content": "error:"},
    ]

    jump, says = score_steps(monitor, steps)

    assert jump.shape == says.shape == (3,)
    assert says[1] == pytest.approx(0.0, abs=1e-6)
    assert says[0] != pytest.approx(0.0, abs=1e-6)


def test_a_run_without_steps_has_nothing_to_explain(monitor: Monitor) -> None:
    assert explain_run(monitor, []) == []
    assert score_steps(monitor, [])[0].size == 0


def _score(monitor: Monitor, features: object) -> float:
    from monitors.features.protocol import to_batch

    state = monitor.initial_state().state
    return float(monitor.scorer.step(to_batch([features]), state[None]).failure_logit[0])  # type: ignore[list-item]
