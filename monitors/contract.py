"""What every monitor keeps to, asked of one monitor in some milliseconds: before its bundle is written and when it is
read.

A handful of raw steps, the bundle's examples and hostile ones, is scored again and again: alone, in a batch, out of a
saved state, after other runs. `tests/monitors/scorers/test_contract.py` asks the same at length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from monitors.errors import ContractError
from monitors.run_state import RunState
from monitors.stepview import JsonValue

HOSTILE: tuple[JsonValue, ...] = (
    None,
    "",
    "\ud800 \x00 é中",
    {"role": "assistant", "content": [None, 2**70, {"": [[]]}], "tool_calls": {"function": "word " * 500}},
    {"role": "tool", "content": {"result": [1.5, True, "error: none"] * 20}},
)
"""Raw steps that no adapter was made for."""
MAX_EXAMPLES = 3
TOLERANCE = {"cpu": 1e-5, "cuda": 1e-4}
"""How far a batch may move a score: it sums in another order."""


class Scored(Protocol):
    """What is asked of a verdict."""

    @property
    def risk(self) -> float:
        """Probability."""

    @property
    def failure_probability(self) -> float:
        """Probability."""

    @property
    def score(self) -> float:
        """Raw failure logit."""

    @property
    def symbol(self) -> int:
        """Event symbol."""


class Watched(Protocol):
    """What is asked of a monitor."""

    @property
    def device(self) -> str:
        """Where it runs."""

    def initial_state(self) -> RunState:
        """Return the state of a run without steps."""

    def advance(self, states: Sequence[RunState], raw_steps: Sequence[JsonValue]) -> Sequence[tuple[RunState, Scored]]:
        """Return next states and verdicts."""


def check_contract(monitor: Watched, examples: Sequence[JsonValue], n_symbols: int) -> None:
    """Check a monitor on its examples and on hostile raw steps. Raises ContractError naming what it does not keep to.

    Some 40 calls of the graph, most of one raw step.
    """
    raw_steps = [*examples[:MAX_EXAMPLES], *HOSTILE, *examples[:1]]
    before, after = _walk(monitor, raw_steps)
    for _, verdict in after:
        numbers = (verdict.score, verdict.risk, verdict.failure_probability)
        _require(bool(np.isfinite(numbers).all()), "scores are finite")
        _require(0 <= verdict.risk <= 1 and 0 <= verdict.failure_probability <= 1, "probabilities lie in 0 … 1")
        _require(0 <= verdict.symbol < n_symbols, f"symbols are 0 … {n_symbols - 1}")
    tolerance = TOLERANCE.get(monitor.device, TOLERANCE["cuda"])
    exact = 0.0 if monitor.device == "cpu" else tolerance
    saved = [state.to_bytes() for state in before]
    together = monitor.advance(before, raw_steps)
    _require([state.to_bytes() for state in before] == saved, "scoring leaves the given states as they are")
    in_reverse = monitor.advance(before[::-1], raw_steps[::-1])[::-1]
    for results in (together, in_reverse):
        for (state, verdict), (state_alone, alone) in zip(results, after, strict=True):
            near = _apart(verdict, alone) <= tolerance and np.array_equal(state.memory, state_alone.memory)
            _require(near, "a step scores in a batch as alone")
    for raw_state, raw_step, (_, expected) in zip(saved, raw_steps, after, strict=True):
        ((_, verdict),) = monitor.advance([RunState.from_bytes(raw_state)], [raw_step])
        _require(
            _apart(verdict, expected) <= exact, "a state that was saved and restored scores as if never interrupted"
        )
    _walk(monitor, raw_steps[::-1])
    _, again = _walk(monitor, raw_steps)
    same = [_apart(one, other) <= exact for (_, one), (_, other) in zip(after, again, strict=True)]
    _require(all(same), "no other steps change what a run's own steps score")


def _walk(monitor: Watched, raw_steps: list[JsonValue]) -> tuple[list[RunState], list[tuple[RunState, Scored]]]:
    """Return the states before each raw step of a run, and the results after it."""
    before, after = [monitor.initial_state()], list[tuple[RunState, Scored]]()
    for raw_step in raw_steps:
        try:
            (result,) = monitor.advance([before[-1]], [raw_step])
        except Exception as error:
            raise ContractError("no raw step stops a run", f"{type(error).__name__}: {error}") from error
        after.append(result)
        before.append(result[0])
    return before[:-1], after


def _apart(one: Scored, other: Scored) -> float:
    pairs = (
        (one.score, other.score),
        (one.risk, other.risk),
        (one.failure_probability, other.failure_probability),
    )
    return max(abs(left - right) for left, right in pairs)


def _require(kept: bool, contract: str) -> None:
    if not kept:
        raise ContractError(contract)
