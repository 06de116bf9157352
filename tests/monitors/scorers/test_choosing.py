"""Where a graph runs, and what the log says of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from monitors import Monitor
from monitors.features.protocol import FeatureBatch
from monitors.scorers.choosing import BATCH, Batch, choose_scorer
from monitors.scorers.device_scorer import DeviceScorer
from monitors.scorers.onnx_runtime import OnnxScorer, has_provider
from monitors.scorers.placement import count_nodes
from monitors.scorers.protocol import ScoreBatch, Scorer
from tests.monitors.scorers.conftest import make_features, make_states
from tests.tiny_bundle import TinyBundle

GRAPH = Path("graph.onnx")
LOG = "monitors.scorers.choosing"


class TimedScorer:
    """A scorer that takes so long, or fails."""

    state_size = 3

    def __init__(self, device: str, step_s: float, fails: str = "") -> None:
        self.device = device
        self._step_s = step_s
        self._fails = fails

    def initial_state(self) -> NDArray[np.float32]:
        return np.zeros(3, np.float32)

    def step(self, features: FeatureBatch, state: NDArray[np.float32]) -> ScoreBatch:
        if self._fails:
            raise RuntimeError(self._fails)
        time.sleep(self._step_s)
        logits = np.zeros(len(state), np.float32)
        return ScoreBatch(logits, logits, logits.astype(np.int64), state.copy())


def make_batch(scorer: Scorer, size: int) -> Batch:
    return make_features(size), [scorer.initial_state() for _ in range(size)]


def opening(*scorers: TimedScorer) -> Callable[[Path, str], Scorer]:
    by_device = dict(zip(("cpu", "cuda"), scorers, strict=False))
    return lambda _, device: by_device[device]


def choose(device: str, on_cpu: TimedScorer, on_cuda: TimedScorer | None) -> Scorer:
    scorers = (on_cpu,) if on_cuda is None else (on_cpu, on_cuda)
    return choose_scorer(GRAPH, device, make_batch, opening(*scorers), lambda _: on_cuda is not None)


@pytest.mark.parametrize(("cpu_s", "cuda_s", "taken"), [(0.02, 0.002, "cuda"), (0.002, 0.02, "cpu")])
def test_auto_measures_both_and_takes_the_faster_saying_what_it_measured(
    cpu_s: float, cuda_s: float, taken: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOG)

    assert choose("auto", TimedScorer("cpu", cpu_s), TimedScorer("cuda", cuda_s)).device == taken

    (said,) = caplog.messages
    assert said.startswith(f"scoring on {'CUDA' if taken == 'cuda' else 'the CPU'}: a batch of {BATCH} steps takes ")
    assert said.endswith(" ms on the CPU")


def test_measuring_ends_after_about_a_second_however_slow_a_device_is() -> None:
    start = time.perf_counter()

    choose("auto", TimedScorer("cpu", 0.05), TimedScorer("cuda", 0.05))

    assert time.perf_counter() - start < 2


def test_cpu_is_taken_unmeasured_and_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOG)

    assert choose("cpu", TimedScorer("cpu", 60), TimedScorer("cuda", 60)).device == "cpu"
    assert caplog.messages == []


@pytest.mark.parametrize(("device", "level"), [("auto", logging.INFO), ("cuda", logging.WARNING)])
def test_without_cuda_it_is_the_cpu_and_one_line_says_so(
    device: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOG)

    assert choose(device, TimedScorer("cpu", 0), None).device == "cpu"

    (record,) = caplog.records
    assert record.levelno == level
    assert record.getMessage().startswith("scoring on the CPU: this ONNX Runtime has no CUDA")


@pytest.mark.parametrize("device", ["auto", "cuda"])
@pytest.mark.parametrize(
    ("on_cuda", "why"),
    [
        (TimedScorer("cpu", 0), "CUDA is installed and did not start"),
        (TimedScorer("cuda", 0, "out of memory"), "CUDA is installed and failed: out of memory"),
    ],
)
def test_cuda_that_does_not_compute_gives_way_to_the_cpu_and_one_warning_says_why(
    device: str, on_cuda: TimedScorer, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOG)

    on_cpu = TimedScorer("cpu", 0)
    assert choose(device, on_cpu, on_cuda) is on_cpu

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert why in record.getMessage()


def test_cuda_that_was_asked_for_and_computes_is_taken_whatever_the_cpu_could_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, LOG)

    assert choose("cuda", TimedScorer("cpu", 0), TimedScorer("cuda", 0.01)).device == "cuda"
    assert len(caplog.messages) == 1


@pytest.mark.skipif(has_provider("cuda"), reason="this ONNX Runtime has CUDA")
@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
def test_a_bundle_is_served_on_the_cpu_by_a_plain_call_where_there_is_no_cuda(tiny: TinyBundle, device: str) -> None:
    monitor = Monitor.read(tiny.path, device=device)

    assert monitor.device == "cpu"
    assert isinstance(monitor.scorer, OnnxScorer)


@pytest.mark.skipif(has_provider("cuda"), reason="this ONNX Runtime has CUDA")
def test_a_bundle_measured_against_itself_by_io_binding_is_chosen_by_its_examples(
    tiny: TinyBundle, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnCuda(DeviceScorer):
        def __init__(self, graph: Path, device: str) -> None:
            super().__init__(graph, "cpu")
            self.device = "cuda"

    monkeypatch.setattr("monitors.scorers.choosing.DeviceScorer", OnCuda)
    monkeypatch.setattr(choose_scorer, "__defaults__", (choose_scorer.__defaults__[0], lambda _: True))  # type: ignore[index]
    caplog.set_level(logging.INFO, LOG)

    monitor = Monitor.read(tiny.path, device="cuda")

    assert isinstance(monitor.scorer, OnCuda)
    assert caplog.messages[0].startswith("scoring on CUDA: ")
    # Verifying asked the contract of it, so states have come back from a batch before.
    state = monitor.initial_state()
    for raw_step in monitor.examples * 3:
        ((state, _),) = monitor.advance([state], [raw_step])
    assert monitor.scorer.n_kept >= 1


def test_a_profile_says_where_each_node_runs(graph: Path) -> None:
    state = np.stack(make_states(4, OnnxScorer(graph).state_size))

    nodes = count_nodes(graph, "cpu", make_features(4), state)

    assert {provider for provider, _ in nodes} == {"CPUExecutionProvider"}
    assert {"Gather"} <= {operator for _, operator in nodes}
    assert sum(nodes.values()) > 20
