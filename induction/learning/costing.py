"""What a finished monitor costs: bytes of graph and of a run's state, processor time of a step on real raw steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from induction.errors import TooLargeError
from monitors.adapter import Reading
from monitors.bundle.manifest import MAX_GRAPH_BYTES, MAX_STATE_BYTES, CostRecord
from monitors.monitor import Monitor
from monitors.stepview import JsonValue

BATCH = 64
N_BATCHES = 8
N_ALONE = 64
ROUNDS = 5
BUDGET_S = 0.4
"""Of each of the two measurements: beyond it no new round begins."""
STATE_BYTES_OF_WINDOW = 16_384
"""A Transformer keeps a window of turns."""


def check_sizes(graph_bytes: int, state_bytes: int, head: str) -> None:
    """Raise TooLargeError for a graph or a state of fixed size that no service should have to hold."""
    if graph_bytes > MAX_GRAPH_BYTES:
        raise TooLargeError(
            f"the graph has {graph_bytes / 2**20:.1f} MB, at most {MAX_GRAPH_BYTES >> 20} MB are allowed: "
            "most of it is the table of n-grams, so let the preset keep fewer (its MAX_ROWS), or train another preset"
        )
    most = STATE_BYTES_OF_WINDOW if head == "transformer" else MAX_STATE_BYTES
    if state_bytes > most:
        raise TooLargeError(
            f"a run's state has {state_bytes} bytes, at most {most} are allowed with head {head!r}: "
            "use fewer hidden units, a shorter window or another head"
        )


def measure_cost(monitor: Monitor, runs: Sequence[Sequence[JsonValue]], graph_bytes: int) -> CostRecord:
    """Return what a monitor costs on raw steps of some finished runs, none of them empty. Takes about a second.

    Times are processor time of the whole process, without the adapter's reading: the median over rounds of the mean
    over a round's raw steps. Runs are taken up at different places, so that a batch is as mixed as a service's.
    """
    readings = [[monitor.adapter.read(raw_step) for raw_step in raw_steps] for raw_steps in runs]
    monitor.warm()
    together, alone = _Walk(monitor, readings, BATCH), _Walk(monitor, readings, 1)
    return CostRecord(
        graph_bytes=graph_bytes,
        step_us_at_64=_measure(together, N_BATCHES),
        step_us_alone=_measure(alone, N_ALONE),
        state_bytes=max(together.state_bytes, alone.state_bytes),
    )


class _Walk:
    """Goes on with as many runs as a batch has places, each from its start again once it is over."""

    def __init__(self, monitor: Monitor, readings: list[list[Reading]], size: int) -> None:
        self._monitor = monitor
        self._runs = [readings[place % len(readings)] for place in range(size)]
        self._places = [place * len(run) // size for place, run in enumerate(self._runs)]
        self._states = [monitor.initial_state() for _ in range(size)]
        self.size = size
        self.state_bytes = 0
        """Of the largest state so far."""

    def advance(self) -> float:
        """Score the next raw step of each; return the processor time that it took, in seconds."""
        taken = [run[place] for run, place in zip(self._runs, self._places, strict=True)]
        start = time.process_time()
        results = self._monitor.take(self._states, taken)
        took = time.process_time() - start
        for index, (state, _) in enumerate(results):
            self.state_bytes = max(self.state_bytes, len(state.to_bytes()))
            over = self._places[index] + 1 == len(self._runs[index])
            self._states[index] = self._monitor.initial_state() if over else state
            self._places[index] = 0 if over else self._places[index] + 1
        return took


def _measure(walk: _Walk, batches: int) -> float:
    """Return microseconds a raw step."""
    rounds: list[float] = []
    while len(rounds) < ROUNDS and sum(rounds) < BUDGET_S:
        rounds.append(sum(walk.advance() for _ in range(batches)))
    return round(1e6 * median(rounds) / (batches * walk.size), 1)
