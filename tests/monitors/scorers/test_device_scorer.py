"""The scorer by I/O binding, on the CPU's provider: the same code that runs on CUDA, seen to give the same scores."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from induction.learning.reference import ReferenceScorer
from monitors.scorers import kept_states
from monitors.scorers.device_scorer import DeviceScorer
from monitors.scorers.onnx_runtime import OnnxScorer
from monitors.scorers.protocol import ScoreBatch, stack_states, to_step_runs
from tests.monitors.scorers.conftest import make_features, make_states

SIZES = [1, 2, 8, 64, 256, 1024, 4096]
NAMES = ("risk_logit", "failure_logit", "symbol", "state")


def assert_equal(scores: ScoreBatch, expected: ScoreBatch) -> None:
    for name in NAMES:
        assert np.array_equal(getattr(scores, name), getattr(expected, name)), name


def assert_next(states: Sequence[NDArray[np.float32]], expected: ScoreBatch) -> None:
    assert np.array_equal(stack_states(states), expected.state)


@pytest.mark.parametrize("size", SIZES)
def test_a_batch_of_any_size_gives_what_a_plain_call_gives_to_the_bit(graph: Path, size: int) -> None:
    plain, bound = OnnxScorer(graph), DeviceScorer(graph, "cpu")
    features, states = make_features(size), make_states(size, plain.state_size)

    assert_equal(bound.step(features, stack_states(states)), plain.step(features, stack_states(states)))


@pytest.mark.parametrize("size", [*SIZES[:-1], pytest.param(SIZES[-1], marks=pytest.mark.slow)])
def test_a_batch_of_any_size_gives_the_reference_scores(graph: Path, size: int) -> None:
    bound, reference = DeviceScorer(graph, "cpu"), ReferenceScorer(graph.read_bytes())
    features, states = make_features(size), make_states(size, bound.state_size)

    scores, after = bound.step_runs(features, states)
    expected = reference.step(features, stack_states(states))

    for name in NAMES:
        assert getattr(scores, name) == pytest.approx(getattr(expected, name), abs=1e-4), name
    assert stack_states(after) == pytest.approx(expected.state, abs=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_a_second_step_from_states_that_stayed_gives_what_a_plain_call_gives(graph: Path, size: int) -> None:
    plain, kept = OnnxScorer(graph), DeviceScorer(graph, "cpu")
    _, states = kept.step_runs(make_features(size), make_states(size, plain.state_size))
    assert kept.n_kept == size

    features = make_features(size, 5)
    scores, after = kept.step_runs(features, states[::-1])

    expected = plain.step(features, stack_states(states[::-1]))
    assert_equal(scores, expected)
    assert_next(after, expected)


@pytest.mark.parametrize("capacity", [0, 1, 7, 20, 10_000])
def test_batches_of_known_unknown_and_forgotten_runs_in_any_mix_score_as_a_plain_call(
    graph: Path, capacity: int
) -> None:
    plain, kept = OnnxScorer(graph), DeviceScorer(graph, "cpu", capacity)
    rng = np.random.default_rng(capacity)
    states: dict[int, NDArray[np.float32]] = {}
    for _ in range(60):
        runs = [int(run) for run in rng.choice(40, rng.integers(1, 20), replace=False)]
        if rng.random() < 0.2:
            # A run that another worker had meanwhile, or whose memory was dropped, comes back with equal numbers.
            states = {run: state.copy() for run, state in states.items()}
        if rng.random() < 0.2:
            states.pop(runs[0], None)
        before = [states.get(run, kept.initial_state()) for run in runs]
        features = make_features(len(runs))

        scores, after = kept.step_runs(features, before)

        expected = plain.step(features, stack_states(before))
        assert_equal(scores, expected)
        assert_next(after, expected)
        assert kept.n_kept <= capacity
        states |= dict(zip(runs, after, strict=True))


def test_a_state_that_nobody_remembers_makes_room(graph: Path) -> None:
    kept = DeviceScorer(graph, "cpu")
    _, states = kept.step_runs(make_features(8), make_states(8, kept.state_size))

    states = states[:3]

    assert kept.n_kept == len(states)


def test_a_state_that_is_remembered_longer_than_the_scorer_stays_as_it_is(graph: Path) -> None:
    kept = DeviceScorer(graph, "cpu")
    _, (state,) = kept.step_runs(make_features(1), make_states(1, kept.state_size))
    said = state.tobytes()

    del kept

    assert state.tobytes() == said


def test_a_state_given_out_cannot_be_changed_behind_the_devices_back(graph: Path) -> None:
    kept = DeviceScorer(graph, "cpu")
    _, (state,) = kept.step_runs(make_features(1), make_states(1, kept.state_size))

    with pytest.raises(ValueError, match="read-only"):
        state[0] = 1


def test_the_same_step_twice_gives_the_same(graph: Path) -> None:
    kept = DeviceScorer(graph, "cpu")
    features = make_features(6)
    _, states = kept.step_runs(features, make_states(6, kept.state_size))

    first, after = kept.step_runs(features, states)
    again, after_again = kept.step_runs(features, states)

    assert_equal(again, first)
    assert np.array_equal(stack_states(after), stack_states(after_again))


def test_a_device_that_fails_to_keep_leaves_nothing_wrong_behind(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, kept = OnnxScorer(graph), DeviceScorer(graph, "cpu", capacity=6)
    features = make_features(6)
    _, states = kept.step_runs(features, make_states(6, kept.state_size))
    assert kept._kept is not None

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the device is lost")

    with monkeypatch.context() as patched:
        patched.setattr(kept._kept._scatter, "run", fail)
        with pytest.raises(RuntimeError, match="the device is lost"):
            kept.step_runs(features, states)

    for _ in range(3):
        scores, after = kept.step_runs(features, states)
        expected = plain.step(features, stack_states(states))
        assert_equal(scores, expected)
        states = after
    assert kept.n_kept == 6


def test_threads_may_share_one_scorer(graph: Path) -> None:
    plain, kept = OnnxScorer(graph), DeviceScorer(graph, "cpu", capacity=30)
    step_plain = to_step_runs(plain)

    def walk(number: int, keeps: bool) -> bytes:
        states: Sequence[NDArray[np.float32]] = make_states(5 + number, kept.state_size)
        for width in range(1, 25):
            features = make_features(5 + number, width)
            _, states = kept.step_runs(features, states) if keeps else step_plain(features, states)
        return stack_states(states).tobytes()

    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda number: walk(number, True), range(6)))

    assert found == [walk(number, False) for number in range(6)]


@pytest.mark.parametrize("graph_bytes", [kept_states._GATHER, kept_states._SCATTER])
def test_the_graphs_written_by_hand_are_onnx(graph_bytes: bytes) -> None:
    model = onnx.load_from_string(graph_bytes)

    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 18
