"""The typed step: what an adapter reads out of one raw step, the same for every agent format."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import orjson

JsonValue: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

TEXT_FIELDS = ("observation", "action", "tool", "args", "result", "status")


@dataclass(frozen=True, slots=True)
class StepView:
    """One raw step, typed. Empty values mean "this raw step does not say".

    `metadata` (ids, model and agent names) is for people and for slicing: the featuriser never reads it. `tool` joins
    the names of parallel calls with a space, in order; `args` and `result` are then lists. `status` is "", "ok" or
    "error". `actions` counts the agent actions that this raw step makes: 0 continues the open turn, n opens n turns at
    once (n parallel calls count n turns but make one step of the recurrence).
    """

    metadata: dict[str, str] = field(default_factory=dict)
    observation: str = ""
    action: str = ""
    tool: str = ""
    args: JsonValue = None
    result: JsonValue = None
    status: str = ""
    actions: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the seven fields and `actions` as plain JSON values."""
        return asdict(self)


def to_text(value: JsonValue) -> str:
    """Return the text of a field's value: strings as they are, other values as JSON with sorted keys, nothing as ""."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError):
        return _to_hostile_text(value)


def _to_hostile_text(value: JsonValue) -> str:
    # Lone surrogates and integers beyond 64 bits: rare, hostile, and still text.
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return f"(an unreadable {type(value).__name__})"
