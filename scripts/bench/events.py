"""The raw steps that the load sends: real events of held-out runs, each cut or padded to one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from monitors.stepview import JsonValue

STEP_BYTES = 2048
PADDING = "padding"


@dataclass(frozen=True, slots=True)
class Script:
    """A run for the load to play: its steps as JSON, `STEP_BYTES` each, in their order."""

    steps: tuple[bytes, ...]


def to_size(event: JsonValue, size: int = STEP_BYTES) -> bytes:
    """The event as JSON of exactly `size` bytes.

    The longest text of one that is shorter is said again until there is enough of it, so that a step costs the adapter
    and the featuriser what one of this size costs; an event without any text gets a field of padding. Of one that is
    longer the longest texts are cut, and in the end whole fields are left out.
    """
    step: dict[str, Any] = orjson.loads(orjson.dumps(event if isinstance(event, dict) else {"text": event}))
    while (excess := len(orjson.dumps(step)) - size) > 0:
        _cut(step, excess)
    if (found := _longest_text(step)) is not None and " " in (text := found[0][found[1]]):
        holder, key = found
        # Characters that JSON escapes or UTF-8 widens make the step grow by more than it was given: try with fewer.
        share = 1.0
        while len(orjson.dumps(step)) > size or share == 1.0:
            more = int(-excess * share)
            holder[key] = text + (f" {text}" * (more // (len(text) + 1) + 1))[:more]
            share *= 0.9
    lacking = size - len(orjson.dumps(step))
    frame = len(f',"{PADDING}":""')
    if lacking >= frame and PADDING not in step:
        step[PADDING] = "." * (lacking - frame)
    data = orjson.dumps(step)
    # Spaces between tokens are JSON too.
    return data[:-1] + b" " * (size - len(data)) + data[-1:]


def _cut(step: dict[str, Any], excess: int) -> None:
    """Shorten the longest text somewhere in the step, or drop its longest field."""
    found = _longest_text(step)
    if found is None:
        del step[max(step, key=lambda name: len(orjson.dumps(step[name])))]
        return
    holder, key = found
    holder[key] = holder[key][: max(8, len(holder[key]) - max(1, excess // 2))]


def _longest_text(step: dict[str, Any]) -> tuple[Any, Any] | None:
    """Where the longest text of more than 16 characters is: what holds it, and its key there. The nearest to the top
    among equals."""
    found: tuple[Any, Any] | None = None
    longest = 16
    level: list[Any] = [step]
    while level:
        deeper: list[Any] = []
        for holder in level:
            for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
                if isinstance(value, dict | list):
                    deeper.append(value)
                elif isinstance(value, str) and len(value) > longest:
                    found, longest = (holder, key), len(value)
        level = deeper
    return found


def write_scripts(scripts: Sequence[Script], path: Path) -> None:
    """Write the scripts as `lua/steps.lua` reads them: a step a line, an empty line after each run."""
    with path.open("wb") as file:
        for script in scripts:
            file.write(b"\n".join(script.steps) + b"\n\n")
