"""From torch to the one-step ONNX graph that is served, checked against torch and numpy before anything is written."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from induction.errors import ParityError
from induction.learning.reference import ReferenceScorer
from induction.learning.step_network import StepNetwork
from monitors.features.chunks import CHUNK
from monitors.features.protocol import FeatureBatch, StepFeatures, to_batch
from monitors.scorers.onnx_runtime import OnnxScorer
from monitors.scorers.protocol import INPUT_NAMES, OUTPUT_NAMES, ScoreBatch, to_inputs

TOLERANCE = 1e-5
OPSET = 18


class _OneStep(nn.Module):
    def __init__(self, network: StepNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, rows: Tensor, weights: Tensor, chunks: Tensor, shape: Tensor, opens: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.network.step(rows, weights, chunks, shape, opens, state)


def export_graph(network: StepNetwork) -> bytes:
    """Return the ONNX graph of one step with explicit state: dynamic batch B, chunks C of L rows and chunks K of a
    raw step, float32, the same bytes for the same weights.
    """
    network.eval()
    batch, most, count, width = (torch.export.Dim(name) for name in ("B", "K", "C", "L"))
    example = _random_inputs(network, size=3, longest=3 * CHUNK, seed=0)
    with warnings.catch_warnings():
        # torch's exporter warns about itself (deprecated internals, axis names that it merges); parity below is the
        # check that counts.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            _OneStep(network),
            _to_tensors(example[0], example[1]),
            input_names=list(INPUT_NAMES),
            output_names=list(OUTPUT_NAMES),
            dynamic_shapes=(
                {0: count, 1: width},
                {0: count, 1: width},
                {0: batch, 1: most},
                {0: batch},
                {0: batch},
                {0: batch},
            ),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
        )
    if program is None:
        raise ParityError("torch exported no graph")
    model = program.model_proto
    # The exporter writes source paths and stack traces of this machine into every node.
    del model.metadata_props[:], model.graph.metadata_props[:]
    model.doc_string = ""
    for part in (
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ):
        part.doc_string = ""
        del part.metadata_props[:]
    graph: bytes = model.SerializeToString(deterministic=True)
    return graph


def check_parity(network: StepNetwork, graph: bytes, *, seed: int = 0, steps: int = 6) -> float:
    """Return the greatest difference between torch, ONNX Runtime and numpy over a few recurrent steps on fresh random
    inputs.

    Batches of several sizes are compared, and a batch of N with N batches of one. Raises ParityError above TOLERANCE.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        path.write_bytes(graph)
        served = OnnxScorer(path, "cpu")
    reference = ReferenceScorer(graph)
    worst = 0.0
    state = np.zeros((7, network.state_size), np.float32)
    for index in range(steps):
        features, _ = _random_inputs(network, size=7, longest=3 * CHUNK, seed=seed + index)
        scores = served.step(features, state)
        with torch.no_grad():
            risk, failure, symbol, after = network.step(*_to_tensors(features, state))
        torch_scores = ScoreBatch(risk.numpy(), failure.numpy(), symbol.numpy(), after.numpy())
        single = [served.step(_take(features, one), state[one : one + 1]) for one in range(7)]
        apart = [_distance(scores, torch_scores), _distance(scores, reference.step(features, state))]
        apart += [abs(part.failure_logit[0] - scores.failure_logit[one]) for one, part in enumerate(single)]
        # numpy's maximum keeps a NaN, Python's loses it: a network that gives no numbers must not pass.
        worst = float(np.max([worst, *apart]))
        state = scores.state
    if not worst <= TOLERANCE:
        raise ParityError(
            f"torch, ONNX Runtime and numpy differ by {worst:.2e} on random inputs; at most {TOLERANCE:.0e} is allowed"
        )
    return worst


def _random_inputs(
    network: StepNetwork, *, size: int, longest: int, seed: int
) -> tuple[FeatureBatch, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    steps = []
    for index in range(size):
        # Lists of all lengths: none, one chunk, several; the longest is surely there.
        weights = rng.random(longest if index == 0 else rng.integers(0, longest), np.float32)
        steps.append(
            StepFeatures(
                rows=rng.integers(0, network.n_rows, weights.size, np.int32),
                weights=weights / max(float(np.linalg.norm(weights)), 1e-6),
                shape=rng.normal(size=network.n_shape).astype(np.float32),
                opens=index % 2 == 0,
                memory=np.zeros(1, np.int64),
            )
        )
    return to_batch(steps), rng.normal(size=(size, network.state_size)).astype(np.float32)


def _to_tensors(features: FeatureBatch, state: NDArray[np.float32]) -> tuple[Tensor, ...]:
    inputs = to_inputs(features, state, INPUT_NAMES)
    return tuple(torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in INPUT_NAMES)


def _take(features: FeatureBatch, index: int) -> FeatureBatch:
    part = slice(index, index + 1)
    rows, weights = (array[part] for array in features.pad())
    width = rows.shape[1]
    # The step alone, its rows in one chunk: other chunks must make no difference either.
    chunks = np.ones((1, 1), np.int64)
    empty = np.zeros((1, width), np.int64)
    return FeatureBatch(
        np.concatenate([empty, rows]),
        np.concatenate([empty.astype(np.float32), weights]),
        chunks,
        features.shape[part],
        features.opens[part],
    )


def _distance(left: ScoreBatch, right: ScoreBatch) -> float:
    pairs = (
        (left.risk_logit, right.risk_logit),
        (left.failure_logit, right.failure_logit),
        (left.state, right.state),
    )
    return float(np.max([np.abs(one - other).max() for one, other in pairs]))
