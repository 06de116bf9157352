"""The same monitor over every scorer: the graph that is served, by a plain call and by I/O binding, and the same graph
by plain numpy; and batches to step them with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from induction.learning.export import export_graph
from induction.learning.network import MonitorNetwork, NetworkSize
from induction.learning.reference import ReferenceScorer
from monitors import Monitor
from monitors.features.protocol import FeatureBatch
from monitors.features.shape import N_SHAPE
from monitors.scorers.device_scorer import DeviceScorer
from monitors.scorers.onnx_runtime import OnnxScorer
from monitors.scorers.protocol import Scorer


@pytest.fixture(scope="session")
def network(monitor: Monitor) -> MonitorNetwork:
    """A network with the tiny monitor's vocabulary and weights drawn by a seed, so that its scores move a lot."""
    torch.manual_seed(7)
    network = MonitorNetwork(NetworkSize(n_rows=monitor.featuriser.n_rows))
    network.fit_shape_scale(torch.rand(50, N_SHAPE))
    return network.eval()


@pytest.fixture(scope="session")
def graph(network: MonitorNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "graph.onnx"
    path.write_bytes(export_graph(network))
    return path


def make_features(size: int, width: int = 9) -> FeatureBatch:
    """Features of `size` raw steps by a seed, two chunks each."""
    rng = np.random.default_rng(size)
    # The first chunk of all is empty.
    weights = rng.random((2 * size + 1, width), np.float32)
    weights[0] = 0
    return FeatureBatch(
        rng.integers(0, 5, weights.shape),
        weights,
        np.arange(1, 2 * size + 1).reshape(size, 2),
        rng.normal(size=(size, N_SHAPE)).astype(np.float32),
        (np.arange(size) % 2).astype(np.float32),
    )


def make_states(size: int, state_size: int) -> list[NDArray[np.float32]]:
    """States of `size` runs by a seed, none like another."""
    return list(np.random.default_rng(size).normal(size=(size, state_size)).astype(np.float32))


@pytest.fixture(scope="session", params=["onnx", "numpy", "bound", "kept", "kept-few"])
def scored_monitor(request: pytest.FixtureRequest, monitor: Monitor, network: MonitorNetwork, graph: Path) -> Monitor:
    """A monitor with a threshold that its runs cross, on each scorer in turn."""
    scorers: dict[str, Callable[[], Scorer]] = {
        "onnx": lambda: OnnxScorer(graph),
        "numpy": lambda: ReferenceScorer(graph.read_bytes()),
        "bound": lambda: DeviceScorer(graph, "cpu", capacity=0),
        "kept": lambda: DeviceScorer(graph, "cpu"),
        "kept-few": lambda: DeviceScorer(graph, "cpu", capacity=3),
    }
    scorer = scorers[request.param]()
    manifest = monitor.manifest.model_copy(update={"threshold": -0.02, "release": -0.1})
    return Monitor(manifest, monitor.adapter, monitor.featuriser, scorer)
