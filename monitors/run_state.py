"""All that a monitor remembers of a run between two raw steps: small, bounded, versioned, exact."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitors.decision import Standing
from monitors.errors import RunStateError

VERSION = 2
_HEADER = struct.Struct("<BIIIBd")
"""Version, memory length, state length, episodes, in an episode, last risk."""
_GROUP = struct.Struct("<H")
"""From version 2 on after the header: the number of the run's group."""

_MEMORY, _STATE = np.dtype("<i8"), np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class RunState:
    """The featuriser's memory, the graph's state and the decision rule's standing. Never changed in place."""

    memory: NDArray[np.int64]
    """[MEMORY_SIZE] counts, rings of hashes: see `features/shape.py`."""
    state: NDArray[np.float32]
    """[state_size] the graph's explicit state."""
    standing: Standing
    group: int = 0
    """The number of the run's decision rule: see `groups.py`. Set before the first step, and never after."""

    def to_bytes(self) -> bytes:
        """Return the state as bytes: the same on every machine, read back exactly.

        Version 1 where no group was named, so that a forewarn from before there were groups can go on with the run.
        """
        head = _HEADER.pack(
            VERSION if self.group else 1,
            self.memory.size,
            self.state.size,
            self.standing.episodes,
            self.standing.warning,
            self.standing.risk,
        )
        if self.group:
            head += _GROUP.pack(self.group)
        # Joined as buffers: on a little-endian machine the numbers are copied once. numpy's types say that an array is
        # a buffer from Python 3.12 on; it always was.
        memory = self.memory.astype(_MEMORY, "C", copy=False)
        state = self.state.astype(_STATE, "C", copy=False)
        return b"".join((head, memory, state))  # type: ignore[arg-type]

    @staticmethod
    def from_bytes(raw_state: bytes) -> RunState:
        """Return the state that `to_bytes` wrote. Raises RunStateError for anything else."""
        group, start = 0, _HEADER.size
        try:
            version, n_memory, n_state, episodes, warning, risk = _HEADER.unpack_from(raw_state)
            if version == VERSION:
                (group,), start = _GROUP.unpack_from(raw_state, start), start + _GROUP.size
        except struct.error as error:
            raise RunStateError(f"{len(raw_state)} bytes are no run state: {error}") from None
        if version not in (1, VERSION):
            raise RunStateError(f"run state has version {version}; this forewarn reads up to {VERSION}")
        if len(raw_state) != start + 8 * n_memory + 4 * n_state:
            raise RunStateError(
                f"run state is {len(raw_state)} bytes long, its header says otherwise: truncated or damaged"
            )
        memory = np.frombuffer(raw_state, _MEMORY, n_memory, start).astype(np.int64)
        state = np.frombuffer(raw_state, _STATE, n_state, start + 8 * n_memory).astype(np.float32)
        return RunState(memory, state, Standing(episodes, bool(warning), risk), group)
