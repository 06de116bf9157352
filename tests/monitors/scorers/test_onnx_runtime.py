"""The scorer that is served."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from induction.learning.reference import ReferenceScorer
from monitors import Monitor
from monitors.errors import BundleError, MissingExtraError
from monitors.scorers import onnx_runtime
from monitors.scorers.onnx_runtime import OnnxScorer, check_one_runtime
from tests.monitors.scorers.conftest import make_features
from tests.tiny_bundle import chat_run


@pytest.mark.parametrize(("size", "width"), [(1, 1), (1, 64), (3, 7), (200, 128)])
def test_any_batch_and_any_number_of_rows_give_the_reference_scores(graph: Path, size: int, width: int) -> None:
    scorer = OnnxScorer(graph, "cpu")
    reference = ReferenceScorer(graph.read_bytes())
    batch, state = (
        make_features(size, width),
        np.random.default_rng(1).normal(size=(size, scorer.state_size)).astype(np.float32),
    )

    scores, expected = scorer.step(batch, state), reference.step(batch, state)

    assert scores.risk_logit == pytest.approx(expected.risk_logit, abs=1e-5)
    assert scores.failure_logit == pytest.approx(expected.failure_logit, abs=1e-5)
    assert scores.state == pytest.approx(expected.state, abs=1e-5)
    assert scores.symbol.tolist() == expected.symbol.tolist()


def test_an_initial_state_is_zero(graph: Path) -> None:
    scorer = OnnxScorer(graph, "cpu")

    assert scorer.initial_state().shape == (scorer.state_size,)
    assert not scorer.initial_state().any()


def test_threads_may_share_one_monitor(monitor: Monitor) -> None:
    runs = [chat_run(random.Random(seed), fails=True, turns=12) for seed in range(12)]

    def scores(run: list[object]) -> list[float]:
        session = monitor.session()
        return [session.step(raw_step).score for raw_step in run]  # type: ignore[arg-type]

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(scores, runs)) == [scores(run) for run in runs]


def test_a_file_that_is_no_graph_is_named(tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(b"nothing")

    with pytest.raises(BundleError, match=r"graph\.onnx is no graph that ONNX Runtime can load"):
        OnnxScorer(tmp_path / "graph.onnx", "cpu")


def test_a_graph_of_another_purpose_is_refused_by_its_inputs(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    node = helper.make_node("Identity", ["x"], ["y"])
    inputs, outputs = [value("x", TensorProto.FLOAT, ["B"])], [value("y", TensorProto.FLOAT, ["B"])]
    model = helper.make_model(
        helper.make_graph([node], "g", inputs, outputs), opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    onnx.save(model, tmp_path / "graph.onnx")

    with pytest.raises(BundleError, match="has inputs"):
        OnnxScorer(tmp_path / "graph.onnx", "cpu")


def test_a_device_that_is_not_there_says_what_to_install(graph: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(MissingExtraError, match=r"forewarn\[gpu\]"):
        OnnxScorer(graph, "cuda")


@pytest.mark.parametrize(
    ("installed", "advice"),
    [
        (set(), r"pip install 'forewarn\[cpu\]'"),
        ({"onnxruntime", "onnxruntime-gpu"}, "pip uninstall onnxruntime onnxruntime-gpu"),
    ],
)
def test_no_runtime_and_two_runtimes_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], advice: str
) -> None:
    monkeypatch.setattr(onnx_runtime, "_is_installed", installed.__contains__)

    with pytest.raises(MissingExtraError, match=advice):
        check_one_runtime()
