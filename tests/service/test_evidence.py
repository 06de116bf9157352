"""What a worker asks of a monitor's evidence: one contract for the real monitor and the tests' own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from monitors import Monitor
from monitors.evidence import Evidence
from monitors.monitor import Verdict
from monitors.occlusion import SHOWN_NGRAMS
from monitors.run_state import RunState
from monitors.stepview import TEXT_FIELDS, JsonValue
from service.ports import LiveMonitor
from tests.service.fakes import FakeMonitor
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

Walked = list[tuple[RunState, JsonValue, Verdict]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module", params=["real", "fake"])
def monitor(request: pytest.FixtureRequest, tiny: TinyBundle) -> LiveMonitor:
    return Monitor.read(tiny.path, device="cpu") if request.param == "real" else FakeMonitor()


@pytest.fixture(scope="module")
def walked(monitor: LiveMonitor, tiny: TinyBundle) -> Walked:
    """A run: the state before each raw step, the raw step, and the verdict after it."""
    return walk(monitor, next(run for run in tiny.corpus.runs if len(run) > 6))


def walk(monitor: LiveMonitor, raw_steps: Sequence[JsonValue]) -> Walked:
    state, seen = monitor.initial_state(), []
    for raw_step in raw_steps:
        ((after, verdict),) = monitor.advance([state], [raw_step])
        seen.append((state, raw_step, verdict))
        state = after
    return seen


def explain_all(monitor: LiveMonitor, walked: Walked) -> list[Evidence]:
    before, found = None, []
    for state, raw_step, verdict in walked:
        found.append(monitor.explain(state, raw_step, before))
        before = verdict.score
    return found


def test_evidence_is_a_pure_function_of_state_and_step(monitor: LiveMonitor, walked: Walked) -> None:
    kept = [state.to_bytes() for state, _, _ in walked]
    first = explain_all(monitor, walked)
    again = [(RunState.from_bytes(raw), step, verdict) for raw, (_, step, verdict) in zip(kept, walked, strict=True)]

    assert explain_all(monitor, again) == first
    assert [state.to_bytes() for state, _, _ in walked] == kept


def test_the_symbol_is_that_of_the_verdict(monitor: LiveMonitor, walked: Walked) -> None:
    assert [one.symbol for one in explain_all(monitor, walked)] == [verdict.symbol for _, _, verdict in walked]


def test_what_was_before_is_what_was_told_after_the_step_before(monitor: LiveMonitor, walked: Walked) -> None:
    found = explain_all(monitor, walked)
    told = [(verdict.score, verdict.failure_probability) for _, _, verdict in walked]

    assert [(one.score_before, one.failure_probability_before) for one in found[1:]] == told[:-1]
    assert np.isfinite(found[0].score_before)
    assert 0 <= found[0].failure_probability_before <= 1


def test_effects_are_few_finite_and_of_fields_that_there_are(monitor: LiveMonitor, walked: Walked) -> None:
    for one in explain_all(monitor, walked):
        assert len(one.ngrams) <= SHOWN_NGRAMS
        assert len(one.fields) <= len(TEXT_FIELDS)
        assert {field.field for field in one.fields} <= set(TEXT_FIELDS)
        assert np.isfinite([effect.effect for effect in one.fields]).all()
        assert np.isfinite([effect.effect for effect in one.ngrams]).all()


def test_without_the_turns_symbols_the_state_is_not_known(monitor: LiveMonitor, walked: Walked) -> None:
    assert all(one.state is None for one in explain_all(monitor, walked))


@pytest.mark.parametrize("step", [None, 7, [], {}, {"role": "tool", "content": "x " * 50_000}])
def test_no_step_is_too_odd_to_be_explained(monitor: LiveMonitor, step: JsonValue) -> None:
    evidence = monitor.explain(monitor.initial_state(), step)

    assert np.isfinite(evidence.score_before)
