"""All that a monitor remembers of a run between two raw steps: small, bounded, versioned, exact."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitors.decision import Standing
from monitors.errors import RunStateError

VERSION = 1
_HEADER = struct.Struct("<BIIIBd")
"""Version, memory length, state length, episodes, in an episode, last risk."""


@dataclass(frozen=True, slots=True)
class RunState:
    """The featuriser's memory, the graph's state and the decision rule's standing. Never changed in place."""

    memory: NDArray[np.int64]
    """[MEMORY_SIZE] counts, rings of hashes: see `features/shape.py`."""
    state: NDArray[np.float32]
    """[state_size] the graph's explicit state."""
    standing: Standing

    def to_bytes(self) -> bytes:
        """Return the state as bytes: the same on every machine, read back exactly."""
        head = _HEADER.pack(
            VERSION,
            self.memory.size,
            self.state.size,
            self.standing.episodes,
            self.standing.warning,
            self.standing.risk,
        )
        return head + self.memory.astype("<i8").tobytes() + self.state.astype("<f4").tobytes()

    @staticmethod
    def from_bytes(raw_state: bytes) -> RunState:
        """Return the state that `to_bytes` wrote. Raises RunStateError for anything else."""
        try:
            version, n_memory, n_state, episodes, warning, risk = _HEADER.unpack_from(raw_state)
        except struct.error as error:
            raise RunStateError(f"{len(raw_state)} bytes are no run state: {error}") from None
        if version != VERSION:
            raise RunStateError(f"run state has version {version}; this forewarn reads {VERSION}")
        if len(raw_state) != _HEADER.size + 8 * n_memory + 4 * n_state:
            raise RunStateError(
                f"run state is {len(raw_state)} bytes long, its header says otherwise: truncated or damaged"
            )
        memory = np.frombuffer(raw_state, "<i8", n_memory, _HEADER.size).astype(np.int64)
        state = np.frombuffer(raw_state, "<f4", n_state, _HEADER.size + 8 * n_memory).astype(np.float32)
        return RunState(memory, state, Standing(episodes, bool(warning), risk))
