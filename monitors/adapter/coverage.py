"""What an adapter makes of many raw steps, counted: the same counters for `forewarn adapter check` and for the service.

Every counter is of raw steps, so that each divided by `steps` is a share; nothing that a raw step holds becomes a name.
"""

from __future__ import annotations

from monitors.adapter.compiled import Reading
from monitors.adapter.pointers import is_present
from monitors.stepview import StepView

FIELDS = ("observation", "action", "tool", "args", "result", "status", "metadata")
UNKNOWN = "unknown"
MAX_CASES = 64
"""Cases counted by their number; those after them are counted together, as the last."""
STEPS_COUNTER = "forewarn_adapter_steps"
FILLED_COUNTER = "forewarn_adapter_fields_filled"
TRUNCATED_COUNTER = "forewarn_adapter_steps_truncated"


def filled_bits(view: StepView) -> int:
    """Return which fields a view fills, as `Coverage` counts them: bit n for field n of FIELDS."""
    return (
        (view.observation != "")
        | (view.action != "") << 1
        | (view.tool != "") << 2
        | (view.args is not None and is_present(view.args)) << 3
        | (view.result is not None and is_present(view.result)) << 4
        | (view.status != "") << 5
        | bool(view.metadata) << 6
    )


class Coverage:
    """Counters over raw steps. The start of a run, which no agent emits, is not counted."""

    __slots__ = ("cases", "filled", "steps", "truncated", "unknown")

    def __init__(self) -> None:
        self.steps = 0
        self.unknown = 0
        self.truncated = 0
        self.cases: dict[int, int] = {}
        self.filled = [0] * len(FIELDS)
        """By the place of a field's name in FIELDS."""

    def add(self, view: StepView, case: int | None, known: bool, truncated: bool) -> None:
        """Count one raw step that was read: what it gave, and whether limits cut anything off."""
        if case is None and known:
            return
        self.steps += 1
        self.truncated += truncated
        if case is None:
            self.unknown += 1
        else:
            number = min(case, MAX_CASES - 1)
            self.cases[number] = self.cases.get(number, 0) + 1
        filled = self.filled
        filled[0] += view.observation != ""
        filled[1] += view.action != ""
        filled[2] += view.tool != ""
        filled[3] += view.args is not None and is_present(view.args)
        filled[4] += view.result is not None and is_present(view.result)
        filled[5] += view.status != ""
        filled[6] += bool(view.metadata)

    def add_reading(self, reading: Reading) -> None:
        """Count one reading."""
        self.add(reading.view, reading.case, reading.known, reading.truncated)

    @property
    def known(self) -> float:
        """Share of the raw steps that a case read, 0 … 1; 0 where there is none."""
        return (self.steps - self.unknown) / max(1, self.steps)

    @property
    def fills(self) -> dict[str, float]:
        """Share of the raw steps that fill each field, 0 … 1."""
        return {name: count / max(1, self.steps) for name, count in zip(FIELDS, self.filled, strict=True)}

    def by_case(self) -> dict[str, int]:
        """Return the raw steps that each case read, by its number as text, and those that none did."""
        named = {str(number): count for number, count in sorted(self.cases.items())}
        return {**named, UNKNOWN: self.unknown} if self.unknown else named

    def to_counters(self) -> dict[str, dict[str, int] | int]:
        """Return the counts under the names that the service exports them by."""
        return {
            f"{STEPS_COUNTER}_total": self.by_case(),
            f"{FILLED_COUNTER}_total": dict(zip(FIELDS, self.filled, strict=True)),
            f"{TRUNCATED_COUNTER}_total": self.truncated,
        }
