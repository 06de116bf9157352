"""States that stay on the device between batches, so that a run's next step need not send its state there again.

A place is known by the very array that was given out with it: the host's own copy, read-only, and dead once nobody
remembers the run. So a place can be stale in no way, and who loses them all loses only time.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.scorers.binding import BoundSession, OrtValue
from monitors.scorers.graph_bytes import BOOL, FLOAT, INT64, Node, Value, write_graph
from monitors.scorers.onnx_runtime import open_session, to_device

CAPACITY = 16_384
"""Runs whose states are kept: some 16 MB of the device's memory for `best`."""

_POOL = Value("pool", FLOAT, ("N", "S"))
_GATHER = write_graph(
    [
        Node("Gather", ("pool", "places"), "kept"),
        Node("Gather", ("sent", "numbers"), "fresh"),
        Node("Where", ("held", "kept", "fresh"), "state"),
    ],
    [
        _POOL,
        Value("places", INT64, ("B",)),
        Value("sent", FLOAT, ("U", "S")),
        Value("numbers", INT64, ("B",)),
        Value("held", BOOL, ("B", 1)),
    ],
    [Value("state", FLOAT, ("B", "S"))],
)
"""Row places[b] of the pool where held[b], else row numbers[b] of what was sent."""
_SCATTER = write_graph(
    [Node("ScatterND", ("pool", "places", "rows"), "after")],
    [_POOL, Value("places", INT64, ("B", 1)), Value("rows", FLOAT, ("B", "S"))],
    [Value("after", FLOAT, ("N", "S"))],
)
"""The pool with row places[b] = rows[b]; written into the pool's own memory it touches these rows alone."""


class _Place(weakref.ref[NDArray[np.float32]]):
    """Whose state lies in a row of the pool."""

    __slots__ = ("key", "row")

    key: int
    row: int


class KeptStates:
    """A pool of states on the device. For one thread at a time; arrays may die on any."""

    def __init__(self, device: str, state_size: int, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._gather = BoundSession(open_session(_GATHER, device), device)
        self._scatter = BoundSession(open_session(_SCATTER, device), device)
        self._pool = to_device(np.zeros((capacity, state_size), np.float32), device)
        self._places: OrderedDict[int, _Place] = OrderedDict()
        self._free: deque[int] = deque(range(capacity))
        places, free = self._places, self._free

        def release(place: Any) -> None:
            # Knows neither the pool nor the scorer: a state that outlives them keeps nothing alive. Whoever takes the
            # entry out, here or to make room, has the row, and nobody else.
            if places.pop(place.key, None) is not None:
                free.append(place.row)

        self._release = release

    def __len__(self) -> int:
        return len(self._places)

    def gather(self, states: Sequence[NDArray[np.float32]]) -> OrtValue | None:
        """Return states [B, state_size] on the device, sending those alone that are not there; None if none is."""
        rows = [self._row_of(state) for state in states]
        missing = [index for index, row in enumerate(rows) if row < 0]
        if len(missing) == len(states):
            return None
        places = np.array(rows, np.int64)
        held = places >= 0
        numbers = np.zeros(len(states), np.int64)
        numbers[missing] = np.arange(len(missing))
        # A graph takes no empty array: where nothing is to be sent, a row goes along that nobody reads.
        sent = [states[index] for index in missing] or [states[0]]
        host = {
            "places": np.maximum(places, 0),
            "sent": np.concatenate(sent).reshape(len(sent), -1),
            "numbers": numbers,
            "held": held[:, None],
        }
        return self._gather.run(host, {"pool": self._pool}, stay="state")["state"]

    def keep(self, states: Sequence[NDArray[np.float32]], on_device: OrtValue) -> None:
        """Keep `on_device` [B, state_size], which are the `states` given out: they must never change. The longest
        unused make room.
        """
        if len(states) > self.capacity:
            return
        rows = [self._make_room() for _ in states]
        try:
            self._scatter.run(
                {"places": np.array(rows, np.int64)[:, None]},
                {"pool": self._pool, "rows": on_device},
                stay="after",
                into=self._pool,
            )
        except Exception:
            self._free.extend(rows)
            raise
        for state, row in zip(states, rows, strict=True):
            place = _Place(state, self._release)
            place.key, place.row = id(state), row
            self._places[place.key] = place

    def _row_of(self, state: NDArray[np.float32]) -> int:
        place = self._places.get(id(state))
        # An id alone proves nothing: it is given again once its owner is dead.
        return place.row if place is not None and place() is state else -1

    def _make_room(self) -> int:
        while True:
            # Arrays may die on other threads between any two lines: nothing is asked first and done afterwards.
            with suppress(IndexError):
                return self._free.popleft()
            with suppress(KeyError):
                return self._places.popitem(last=False)[1].row
