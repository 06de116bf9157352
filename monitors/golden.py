"""Golden vectors: what a monitor said of a few raw steps when it was made, to be asked of it again wherever it is
loaded.

The contract suite finds a monitor that is no monitor; these find one that is another monitor than the one that was
measured: another runtime, another processor, another version of what reads raw steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monitors.bundle.folder import GOLDEN
from monitors.bundle.manifest import Manifest
from monitors.contract import Watched
from monitors.errors import BundleError, BundleVersionError, CanaryError
from monitors.stepview import JsonValue

GOLDEN_FORMAT = 1
ROUNDS = 4
"""So often the examples are taken in turn, so that the state has something to carry."""
TOLERANCE = {"cpu": 1e-4, "cuda": 1e-3}
"""How far risk and failure probability may lie from what they were: another processor sums in another order."""
OTHER_SYMBOLS_RATIO = 0.1
"""Share of steps whose event symbol may be another: the greatest of several numbers can be a tie."""
PLAIN: tuple[JsonValue, ...] = (
    {"role": "assistant", "content": "canary", "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]},
    {"role": "tool", "content": "error: no such canary"},
    "Action: look\nObservation: nothing",
)
"""Raw steps for every monitor, beside its own examples."""


class GoldenStep(BaseModel):
    """One raw step, and what the monitor said after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    raw_step: Any
    risk: float = Field(ge=0, le=1)
    failure_probability: float = Field(ge=0, le=1)
    symbol: int


class Golden(BaseModel):
    """Runs of golden steps."""

    model_config = ConfigDict(frozen=True)

    format: int = Field(GOLDEN_FORMAT, ge=1)
    runs: list[list[GoldenStep]] = Field(max_length=100)


def make_golden(monitor: Watched, examples: Sequence[JsonValue]) -> bytes:
    """Return the file for a monitor's bundle: its examples in both orders, again and again, and steps that are none of
    its own. `examples` are JSON.
    """
    # As they will be read back: JSON has no NaN.
    raw_steps: list[JsonValue] = orjson.loads(orjson.dumps([*examples, *PLAIN]))
    runs = [_ask(monitor, order * ROUNDS) for order in (raw_steps, raw_steps[::-1])]
    return orjson.dumps(Golden(runs=runs).model_dump(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_golden(folder: Path, manifest: Manifest) -> Golden | None:
    """Return a bundle's golden vectors, None for a bundle that has none: it was made before there were any. Raises
    BundleError, BundleVersionError for a newer format.
    """
    if GOLDEN not in manifest.files:
        return None
    try:
        golden = Golden.model_validate_json((folder / GOLDEN).read_bytes())
    except (OSError, ValidationError) as error:
        raise BundleError(f"{folder / GOLDEN} cannot be read: {error}") from None
    if golden.format > GOLDEN_FORMAT:
        raise BundleVersionError(
            f"{folder / GOLDEN} has format {golden.format}; this forewarn reads {GOLDEN_FORMAT}: upgrade it"
        )
    return golden


def check_golden(monitor: Watched, golden: Golden) -> None:
    """Check that a monitor says what it said when it was made. Raises CanaryError, with the greatest difference."""
    tolerance = TOLERANCE.get(monitor.device, TOLERANCE["cuda"])
    apart, others, steps = 0.0, 0, 0
    for run in golden.runs:
        for expected, step in zip(run, _ask(monitor, [step.raw_step for step in run]), strict=True):
            pairs = ((expected.risk, step.risk), (expected.failure_probability, step.failure_probability))
            apart = max(apart, *(abs(one - other) for one, other in pairs))
            others += expected.symbol != step.symbol
            steps += 1
    if apart > tolerance or others > math.floor(OTHER_SYMBOLS_RATIO * steps):
        raise CanaryError(apart, tolerance, others, steps, monitor.device)


def _ask(monitor: Watched, raw_steps: Sequence[JsonValue]) -> list[GoldenStep]:
    state, answers = monitor.initial_state(), []
    for raw_step in raw_steps:
        ((state, verdict),) = monitor.advance([state], [raw_step])
        answers.append(
            GoldenStep(
                raw_step=raw_step,
                risk=verdict.risk,
                failure_probability=verdict.failure_probability,
                symbol=verdict.symbol,
            )
        )
    return answers
