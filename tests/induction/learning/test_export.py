"""The graph that is served is the network, and nothing of the machine that made it."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto

import induction
from induction.errors import ParityError
from induction.learning.export import TOLERANCE, check_parity, export_graph
from induction.learning.network import MonitorNetwork, NetworkSize
from monitors.features.shape import N_SHAPE
from monitors.scorers.protocol import INPUT_NAMES, OUTPUT_NAMES

# Operators that ONNX Runtime's CUDA provider implements at opset 18 for float32 and int64, by its table of kernels.
# ArgMax is not among them: its kernel ends at opset 11.
CUDA_OPERATORS = {
    "Add", "Cast", "Clip", "Concat", "Constant", "Cos", "Div", "Erf", "Exp", "Expand", "Gather", "GatherND", "Gelu",
    "Gemm", "Identity", "Log", "MatMul", "Max", "Min", "Mul", "ReduceSum", "Reshape", "Shape", "Sigmoid", "Sin",
    "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "TopK", "Transpose", "Unsqueeze",
}  # fmt: skip


def network_of(seed: int) -> MonitorNetwork:
    torch.manual_seed(seed)
    network = MonitorNetwork(NetworkSize(n_rows=50))
    network.fit_shape_scale(torch.rand(30, N_SHAPE))
    return network.eval()


@pytest.fixture(scope="module")
def network() -> MonitorNetwork:
    return network_of(1)


@pytest.fixture(scope="module")
def graph(network: MonitorNetwork) -> bytes:
    return export_graph(network)


@pytest.fixture(scope="module")
def model(graph: bytes) -> onnx.ModelProto:
    return onnx.load_from_string(graph)


def test_torch_graph_and_numpy_agree(network: MonitorNetwork, graph: bytes) -> None:
    assert 0 < check_parity(network, graph, seed=5) <= TOLERANCE


def test_the_graph_of_another_network_is_refused(graph: bytes) -> None:
    with pytest.raises(ParityError, match="differ by"):
        check_parity(network_of(2), graph)


def test_a_network_that_gives_no_numbers_is_refused() -> None:
    broken = network_of(3)
    with torch.no_grad():
        broken.heads.bias.fill_(float("nan"))

    with pytest.raises(ParityError):
        check_parity(broken, export_graph(broken))


def test_a_small_change_of_one_weight_is_noticed(graph: bytes) -> None:
    changed = network_of(1)
    with torch.no_grad():
        changed.heads.bias[1] += 1e-3

    with pytest.raises(ParityError):
        check_parity(changed, graph)


def test_the_same_weights_give_the_same_bytes(graph: bytes) -> None:
    assert export_graph(network_of(1)) == graph


def test_the_graph_holds_no_path_of_the_machine(graph: bytes) -> None:
    root = Path(induction.__file__).parents[1]
    for trace in (str(root), str(Path.home()), sys.prefix, "site-packages", ".py", "Traceback", 'File "'):
        assert trace.encode() not in graph


def test_every_operator_has_a_cuda_kernel(model: onnx.ModelProto) -> None:
    assert {node.op_type for node in model.graph.node} <= CUDA_OPERATORS
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not model.functions


def test_the_graph_is_of_the_opset_that_the_list_is_for(model: onnx.ModelProto) -> None:
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]


def test_weights_are_float32_and_indices_int64(model: onnx.ModelProto) -> None:
    kinds = {part.data_type for part in model.graph.initializer}
    kinds |= {part.type.tensor_type.elem_type for part in (*model.graph.input, *model.graph.output)}

    assert kinds <= {TensorProto.FLOAT, TensorProto.INT64}


def test_batch_and_rows_are_free_and_the_state_is_explicit(network: MonitorNetwork, model: onnx.ModelProto) -> None:
    inputs = {part.name: part.type.tensor_type.shape.dim for part in model.graph.input}

    assert tuple(inputs) == INPUT_NAMES
    assert tuple(part.name for part in model.graph.output) == OUTPUT_NAMES
    assert all(dims[0].dim_param for dims in inputs.values())
    assert inputs["rows"][0].dim_param != inputs["state"][0].dim_param
    assert inputs["rows"][1].dim_param
    assert inputs["chunks"][1].dim_param
    assert inputs["state"][1].dim_value == network.state_size


def test_the_graph_is_valid_and_small(model: onnx.ModelProto, graph: bytes) -> None:
    onnx.checker.check_model(model)

    assert len(graph) < 1 << 20
