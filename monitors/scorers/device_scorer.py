"""Scorer by I/O binding: features go to the device, scores come back, states stay there as well.

What a step gives is a function of its arguments alone, as with every scorer: a state that is still on the device is the
one that its array on the host says, number by number, since it was copied from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from monitors.features.protocol import FeatureBatch
from monitors.scorers.binding import BoundSession, OrtValue
from monitors.scorers.kept_states import CAPACITY, KeptStates
from monitors.scorers.onnx_runtime import device_of, open_session, read_signature
from monitors.scorers.protocol import RunScores, ScoreBatch, stack_states, to_inputs

_STATE, _NEXT = "state", "next_state"


class DeviceScorer:
    """Runs a bundle's one-step graph on "cuda"; on "cpu" as well, for tests, where it only costs more than OnnxScorer.

    Threads may share it, one at a time: a device computes one batch after the other anyway.
    """

    def __init__(self, graph: Path, device: str = "cuda", capacity: int = CAPACITY) -> None:
        """Load a graph; `capacity` is how many runs' states stay on the device, 0 = none. Where CUDA is installed and
        does not start, `device` says "cpu". Raises BundleError, MissingExtraError.
        """
        session = open_session(graph, device)
        self.device = device_of(session)
        self.input_names, self.state_size = read_signature(session, graph)
        self._bound = BoundSession(session, self.device)
        self._kept = KeptStates(self.device, self.state_size, capacity) if capacity else None
        self._lock = Lock()

    @property
    def n_kept(self) -> int:
        """States that are on the device now."""
        return 0 if self._kept is None else len(self._kept)

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a run without steps: zeros, float32 [state_size]."""
        return np.zeros(self.state_size, np.float32)

    def step(self, features: FeatureBatch, state: NDArray[np.float32]) -> ScoreBatch:
        """Return scores and next states of one raw step of each of B runs."""
        with self._lock:
            return self._run(features, state, None)[0]

    def step_runs(self, features: FeatureBatch, states: Sequence[NDArray[np.float32]]) -> RunScores:
        """Return scores and next states, read-only: they stay on the device and are known again when they come back."""
        with self._lock:
            there = None if self._kept is None else self._kept.gather(states)
            scores, on_device = self._run(features, None if there is not None else stack_states(states), there)
            after = [state.copy() for state in scores.state]
            for state in after:
                state.flags.writeable = False
            if self._kept is not None:
                self._kept.keep(after, on_device)
            return scores, after

    def _run(
        self, features: FeatureBatch, state: NDArray[np.float32] | None, there: OrtValue
    ) -> tuple[ScoreBatch, OrtValue]:
        inputs = to_inputs(features, state, self.input_names)
        out = self._bound.run(inputs, {} if there is None else {_STATE: there}, stay=_NEXT)
        risk, failure, symbol, after = (value.numpy() for value in out.values())
        return ScoreBatch(risk, failure, symbol, after), out[_NEXT]
