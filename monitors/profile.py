"""What a monitor made of a run's raw steps, counted: the same offline and live, so that live runs can be held against
those that calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitors.adapter.coverage import FIELDS

DIGITS = 4
"""Shares are rounded alike wherever they are compared."""
UNKNOWN, NEW_TOOL = "unknown", "new_tool"


@dataclass(frozen=True, slots=True)
class RunProfile:
    """Raw steps of a run: how many no case of the adapter knew, called a tool that no calibration run calls, filled
    each of FIELDS, and have each event symbol.
    """

    steps: int
    unknown: int
    new_tools: int
    filled: tuple[int, ...]
    symbols: tuple[int, ...]

    def to_shares(self, n_symbols: int) -> dict[str, float]:
        """Return each count as a share of the steps, 0 … 1, by name; none for a run without steps."""
        if not self.steps:
            return {}
        counts = {UNKNOWN: self.unknown, NEW_TOOL: self.new_tools, **dict(zip(FIELDS, self.filled, strict=True))}
        symbols = dict(enumerate(self.symbols[:n_symbols]))
        counts |= {symbol_name(number): symbols.get(number, 0) for number in range(n_symbols)}
        return {name: to_share(count, self.steps) for name, count in counts.items()}


class StepCounter:
    """Counts a run's raw steps one by one."""

    __slots__ = ("_filled", "_new_tools", "_steps", "_symbols", "_unknown")

    def __init__(self) -> None:
        self._steps = self._unknown = self._new_tools = 0
        self._filled = [0] * len(FIELDS)
        self._symbols: dict[int, int] = {}

    def add(self, symbol: int, filled: int, *, known: bool, new_tool: bool) -> None:
        """Count one raw step that an agent emitted. `filled`: see `coverage.filled_bits`."""
        self._steps += 1
        self._unknown += not known
        self._new_tools += new_tool
        self._symbols[symbol] = self._symbols.get(symbol, 0) + 1
        for number in range(len(FIELDS)):
            self._filled[number] += filled >> number & 1

    def to_profile(self) -> RunProfile:
        """Return what was counted so far."""
        symbols = tuple(self._symbols.get(number, 0) for number in range(max(self._symbols, default=-1) + 1))
        return RunProfile(self._steps, self._unknown, self._new_tools, tuple(self._filled), symbols)


def to_share(count: int, steps: int) -> float:
    """Return a count as a share of the steps, rounded as all are that are compared."""
    return round(count / steps, DIGITS)


def symbol_name(symbol: int) -> str:
    """Return the name of an event symbol's share."""
    return f"symbol_{symbol}"
