"""What is trained on whole runs is what is served step by step."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from induction.learning.best.classes import N_CLASSES, to_classes, to_members
from induction.learning.best.distilling import Batches
from induction.learning.best.network import BestNetwork, Size
from induction.learning.best.shapes import Scale
from induction.learning.best.stacking import Stack
from induction.learning.best.steps import Steps
from induction.learning.best.texts import N_COLUMNS, fit_vocabulary, to_text_features, weigh_steps
from induction.learning.export import TOLERANCE, check_parity, export_graph
from monitors.features.shape_v3 import N_SHAPE
from tests.induction.learning.test_export import CUDA_OPERATORS

STACK = Stack(0.5, np.linspace(0, 1, N_COLUMNS), np.linspace(-0.1, 0.1, N_SHAPE), -0.2)
ONE_CHUNK = torch.zeros(1, 1, dtype=torch.int64)


@pytest.fixture(scope="module")
def table(steps: Steps) -> NDArray[np.float32]:
    n_rows = fit_vocabulary(steps).n_rows
    return np.random.default_rng(4).normal(size=(n_rows, N_COLUMNS)).astype(np.float32)


@pytest.fixture(scope="module")
def network(table: NDArray[np.float32]) -> BestNetwork:
    torch.manual_seed(3)
    network = BestNetwork(Size(N_SHAPE, N_COLUMNS))
    network.set_table(table)
    network.set_stack(STACK)
    network.set_scale(Scale.of(np.random.default_rng(5).random((40, network.size.n_features), np.float32)))
    return network.eval()


def test_whole_runs_score_as_their_raw_steps_one_by_one(
    network: BestNetwork, table: NDArray[np.float32], steps: Steps
) -> None:
    bags, _ = weigh_steps(steps, fit_vocabulary(steps))
    texts = to_text_features(steps, bags @ table)
    features = np.concatenate([steps.shape, texts], 1)
    batches = Batches(steps, features, np.zeros((len(features), N_CLASSES), np.float32))
    with torch.no_grad():
        for batch in batches.draw(np.arange(6), 6, None):
            whole = network(batch.features, batch.places)
    for run in range(6):
        state = torch.zeros(1, network.state_size)
        first = int(steps.starts[run])
        for place in range(int(steps.starts[run + 1]) - first):
            row = bags[[first + place]].tocsr()
            opens = torch.tensor([float(steps.runs[run].opens[place])])
            shape = torch.from_numpy(steps.shape[[first + place]])
            with torch.no_grad():
                risk, failure, _, state = network.step(
                    torch.from_numpy(row.indices.astype(np.int64))[None], torch.from_numpy(row.data)[None],
                    ONE_CHUNK, shape, opens, state,
                )  # fmt: skip
            served = STACK.network * whole.failure[run, place] + STACK.intercept
            served = served + float(texts[first + place, 3 * N_COLUMNS :] @ STACK.text)
            numbers = network._standardise(batch.features[run, place])[:N_SHAPE]
            served = served + float(numbers.numpy() @ STACK.shape)
            assert risk.item() == pytest.approx(whole.risk[run, place].item(), abs=1e-4)
            assert failure.item() == pytest.approx(served.item(), abs=1e-4)


def test_torch_graph_and_numpy_agree(network: BestNetwork) -> None:
    assert check_parity(network, export_graph(network), seed=2) <= TOLERANCE


def test_the_graph_is_small_and_every_operator_has_a_cuda_kernel(network: BestNetwork) -> None:
    graph = export_graph(network)

    assert {node.op_type for node in onnx.load_from_string(graph).graph.node} <= CUDA_OPERATORS
    assert len(graph) < 32 << 20
    assert network.state_size * 4 < 1_500


def test_risk_and_failure_are_sums_of_classes(network: BestNetwork, steps: Steps) -> None:
    features = torch.randn(steps.run.size, network.size.n_features).numpy()
    batch = next(Batches(steps, features, np.zeros((len(features), N_CLASSES), np.float32)).draw(np.arange(5), 5, None))
    with torch.no_grad():
        outputs = network(batch.features, batch.places)
    probabilities = outputs.classes.softmax(-1)

    assert torch.allclose(outputs.risk.sigmoid(), probabilities[..., 7:11].sum(-1), atol=1e-5)
    assert torch.allclose(outputs.failure.sigmoid(), probabilities[..., 7:].sum(-1), atol=1e-5)


def test_classes_say_when_and_how() -> None:
    left = np.array([0, 1, 2, 3, 4, 6, 7, 12, 13, 99])

    assert to_classes(left, np.zeros(10, np.bool_)).tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6]
    assert to_classes(left, np.ones(10, np.bool_)).tolist() == [7, 8, 9, 10, 11, 11, 12, 12, 13, 13]
    within = to_members(3)[to_classes(left, np.ones(10, np.bool_)), 0]
    assert within.tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
