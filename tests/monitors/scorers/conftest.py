"""The same monitor over every scorer: the graph that is served, and the same graph by plain numpy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from induction.learning.export import export_graph
from induction.learning.network import MonitorNetwork, NetworkSize
from induction.learning.reference import ReferenceScorer
from monitors import Monitor
from monitors.features.shape import N_SHAPE
from monitors.scorers.onnx_runtime import OnnxScorer


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


@pytest.fixture(scope="session", params=["onnx", "numpy"])
def scored_monitor(request: pytest.FixtureRequest, monitor: Monitor, network: MonitorNetwork, graph: Path) -> Monitor:
    """A monitor with a threshold that its runs cross, on each scorer in turn."""
    scorer = OnnxScorer(graph, "cpu") if request.param == "onnx" else ReferenceScorer(graph.read_bytes())
    manifest = monitor.manifest.model_copy(update={"threshold": -0.02, "release": -0.1})
    return Monitor(manifest, monitor.adapter, monitor.featuriser, scorer)
