"""The exported graph computed by plain numpy, operator by operator: slow, obvious, and nobody's fast path. Never
served; what the served runtime is checked against.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from monitors.features.protocol import FeatureBatch
from monitors.scorers.protocol import OUTPUT_NAMES, ScoreBatch, to_inputs


class ReferenceScorer:
    """A scorer on the ONNX project's own reference evaluator."""

    device = "cpu"

    def __init__(self, graph: bytes) -> None:
        model = onnx.load_from_string(graph)
        inputs = {part.name: part.type.tensor_type.shape.dim for part in model.graph.input}
        self.state_size = int(inputs["state"][1].dim_value)
        self._input_names = tuple(inputs)
        self._evaluator = ReferenceEvaluator(model)

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a run without steps: zeros, float32 [state_size]."""
        return np.zeros(self.state_size, np.float32)

    def step(self, features: FeatureBatch, state: NDArray[np.float32]) -> ScoreBatch:
        """Return scores and next states."""
        outputs = self._evaluator.run(list(OUTPUT_NAMES), to_inputs(features, state, self._input_names))
        risk, failure, symbol, after = (np.asarray(output) for output in outputs)
        return ScoreBatch(risk, failure, symbol, after)
