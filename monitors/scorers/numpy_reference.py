"""The scorer again, slow and obvious, in numpy: what the graph is checked against. Never served."""

from __future__ import annotations

from collections.abc import Mapping
from math import erf

import numpy as np
from numpy.typing import NDArray

from monitors.features.featuriser import FeatureBatch
from monitors.scorers.protocol import ScoreBatch

Array = NDArray[np.float64]


class NumpyScorer:
    """Computes one raw step of each run from a network's weights by name (those of a torch state dict), in float64, run
    by run.
    """

    device = "cpu"

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._weights = {name: value.astype(np.float64) for name, value in weights.items()}
        self.hidden = weights["gru.weight_hh_l0"].shape[1]
        self.state_size = 2 * self.hidden + weights["embedding.weight"].shape[1]

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a run without steps: zeros, float32 [state_size]."""
        return np.zeros(self.state_size, np.float32)

    def step(self, features: FeatureBatch, state: NDArray[np.float32]) -> ScoreBatch:
        """Return scores and next states, one run after the other."""
        results = [self._step_run(features, index, state[index].astype(np.float64)) for index in range(len(state))]
        risk, failure, symbol, after = zip(*results, strict=True)
        return ScoreBatch(
            np.array(risk, np.float32),
            np.array(failure, np.float32),
            np.array(symbol, np.int64),
            np.stack(after).astype(np.float32),
        )

    def _step_run(self, features: FeatureBatch, index: int, state: Array) -> tuple[float, float, int, Array]:
        w, hidden = self._weights, self.hidden
        before, last, turn = state[:hidden], state[hidden : 2 * hidden], state[2 * hidden :]
        if features.opens[index] == 1.0:
            before, turn = last, np.zeros_like(turn)
        for row, weight in zip(features.rows[index], features.weights[index], strict=True):
            turn = turn + float(weight) * w["embedding.weight"][row]
        numbers = np.clip((features.shape[index] - w["shape_mean"]) * w["shape_scale"], -5.0, 5.0)
        encoded = _gelu(w["encoder.weight"] @ np.concatenate([turn, numbers]) + w["encoder.bias"])
        symbols = w["symbols.weight"] @ encoded + w["symbols.bias"]
        probabilities = np.exp((symbols - symbols.max()) / 0.25)
        probabilities /= probabilities.sum()
        last = self._gru(np.concatenate([encoded, probabilities]), before)
        risk, failure = w["heads.weight"] @ np.concatenate([last, encoded]) + w["heads.bias"]
        return float(risk), float(failure), int(symbols.argmax()), np.concatenate([before, last, turn])

    def _gru(self, inputs: Array, before: Array) -> Array:
        w = self._weights
        from_input = np.split(w["gru.weight_ih_l0"] @ inputs + w["gru.bias_ih_l0"], 3)
        from_state = np.split(w["gru.weight_hh_l0"] @ before + w["gru.bias_hh_l0"], 3)
        reset = _sigmoid(from_input[0] + from_state[0])
        update = _sigmoid(from_input[1] + from_state[1])
        new = np.tanh(from_input[2] + reset * from_state[2])
        after: Array = (1.0 - update) * new + update * before
        return after


def _gelu(values: Array) -> Array:
    return np.array([0.5 * value * (1.0 + erf(value / np.sqrt(2.0))) for value in values])


def _sigmoid(values: Array) -> Array:
    result: Array = 1.0 / (1.0 + np.exp(-values))
    return result
