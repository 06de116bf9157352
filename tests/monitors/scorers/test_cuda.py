"""A bundle's graph on CUDA. Not run where no GPU is at hand; `test_device_scorer.py` runs the same code on the CPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from monitors import Monitor
from monitors.scorers.device_scorer import DeviceScorer
from monitors.scorers.onnx_runtime import OnnxScorer
from monitors.scorers.placement import count_nodes
from monitors.scorers.protocol import stack_states
from tests.monitors.scorers.conftest import make_features, make_states
from tests.tiny_bundle import TinyBundle

ROOT = Path(__file__).resolve().parents[3]
SIZES = [1, 4, 16, 64, 256, 1024, 4096]


def measure(bundle: Path, out: Path) -> list[dict[str, Any]]:
    command = [sys.executable, str(ROOT / "scripts" / "measure_devices.py"), str(bundle), "--out", str(out)]
    subprocess.run([*command, "--budget", "0.01"], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=300)
    return [orjson.loads(line) for line in out.read_bytes().splitlines()]


@pytest.mark.cuda
@pytest.mark.parametrize("size", SIZES)
def test_cuda_gives_the_scores_of_the_cpu(graph: Path, size: int) -> None:
    on_cpu, on_cuda = OnnxScorer(graph), DeviceScorer(graph)
    states = make_states(size, on_cpu.state_size)
    assert on_cuda.device == "cuda"

    # The second step's states have stayed on the device.
    for width in (9, 5):
        features = make_features(size, width)
        expected = on_cpu.step(features, stack_states(states))
        scores, after = on_cuda.step_runs(features, states)
        for name in ("risk_logit", "failure_logit", "state"):
            assert getattr(scores, name) == pytest.approx(getattr(expected, name), abs=1e-4), name
        assert np.array_equal(scores.symbol, expected.symbol)
        states = list(after)
    assert on_cuda.n_kept == size


@pytest.mark.cuda
def test_no_node_is_left_on_the_cpu(graph: Path) -> None:
    state = np.stack(make_states(4, OnnxScorer(graph).state_size))

    nodes = count_nodes(graph, "cuda", make_features(4), state)

    elsewhere = {node: times for node, times in nodes.items() if node[0] != "CUDAExecutionProvider"}
    assert elsewhere == {}
    # Inputs and outputs are copied by the session; a copy among the nodes would be between two of them.
    assert not {operator for _, operator in nodes} & {"MemcpyToHost", "MemcpyFromHost"}


@pytest.mark.cuda
def test_a_bundle_on_cuda_keeps_its_contract(tiny: TinyBundle) -> None:
    monitor = Monitor.read(tiny.path, device="cuda")

    assert monitor.device == "cuda"
    assert isinstance(monitor.scorer, DeviceScorer)


@pytest.mark.cuda
def test_steps_a_second_of_both_devices_are_written_for_every_batch(tiny: TinyBundle, tmp_path: Path) -> None:
    rows = measure(tiny.path, tmp_path / "results.jsonl")

    assert {(row["device"], row["way"], row["batch"]) for row in rows} == {
        (device, way, size) for device in ("cpu", "cuda") for way in ("run", "bound", "kept") for size in SIZES
    }
    assert min(row["steps_per_s"] for row in rows) > 0


def test_results_name_date_and_hardware_and_what_was_not_run(tiny: TinyBundle, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    out.write_bytes(b'{"date":"of an earlier day"}\n')

    earlier, *rows = measure(tiny.path, out)

    assert earlier == {"date": "of an earlier day"}
    assert all(row["date"].startswith("20") and row["hardware"] and row["onnxruntime"] for row in rows)
    on_cpu = [row for row in rows if row["device"] == "cpu"]
    assert [row["batch"] for row in on_cpu] == 3 * SIZES
    on_cuda = [row for row in rows if row["device"] == "cuda"]
    assert [row for row in on_cuda if "not_run" in row] or len(on_cuda) == len(on_cpu)
