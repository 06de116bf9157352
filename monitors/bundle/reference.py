"""What live runs are held against: how the calibration runs lay, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from monitors.conformal import conformal_rank

TAIL = 0.1
"""Of the calibration runs about so many lie beyond a feature's mark, on one side."""
MAX_TOOLS, TOOL_CHARS = 500, 200


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShareRecord(_Record):
    """How a share of a run's raw steps lay over the calibration runs."""

    mean: float = Field(ge=0, le=1)
    low: float = Field(description="About a tenth of the calibration runs lie below: their `beyond`-th smallest.")
    high: float = Field(description="About a tenth lie above: their `beyond`-th greatest.")


class ReferenceRecord(_Record):
    """The calibration runs as later runs are compared with them. Each run counts once, however long it is."""

    runs: int = Field(description="Calibration runs of either outcome.")
    beyond: int = Field(
        ge=1, description="A new run of the same kind lies beyond a mark with probability at most beyond / (runs + 1)."
    )
    shares: dict[str, ShareRecord] = Field(
        description="By what is counted: steps that no case knew (unknown), with a tool that no other calibration run "
        "calls (new_tool), that fill each field, with each event symbol (symbol_N)."
    )
    tools: list[str] | None = Field(description="The tools that calibration runs call; null = too many to tell.")


def tools_of(joined: str) -> list[str]:
    """Return the tools that a StepView's `tool` names: calls in parallel are joined by spaces."""
    return joined.split(" ") if joined else []


def build_reference(shares: Sequence[Mapping[str, float]], tools: Sequence[str]) -> ReferenceRecord | None:
    """Return the reference of these runs' shares, or None where they are too few to have a tail."""
    runs = len(shares)
    rank = conformal_rank(runs, TAIL)
    if rank > runs:
        return None
    beyond = runs + 1 - rank
    records = {}
    for name in shares[0]:
        values = sorted(share[name] for share in shares)
        records[name] = ShareRecord(mean=sum(values) / runs, low=values[beyond - 1], high=values[rank - 1])
    named = sorted(set(tools))
    return ReferenceRecord(runs=runs, beyond=beyond, shares=records, tools=named if len(named) <= MAX_TOOLS else None)
