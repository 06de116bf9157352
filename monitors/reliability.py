"""Whether probabilities mean what they say: how often runs failed, by what was said of them.

`reliability.json` of a bundle, and the same over an evaluation's or live runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from monitors.bundle_part import parse_part

BINS = 10
RELIABILITY_FORMAT = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReliabilityBin(_Record):
    """What was said between two tenths, and what came of it."""

    said: float = Field(ge=0, le=1, description="Mean of the probabilities that were said.")
    came: float = Field(ge=0, le=1, description="Share of that in which it came.")
    share: float = Field(ge=0, le=1, description="How much of all that was said is in this bin.")
    runs: int = Field(ge=1, description="Runs of which something is in this bin.")
    effective_runs: float = Field(
        ge=0, description="Runs of equal weight that say as much (Kish): an interval counts these, as steps are alike."
    )


class ReliabilityTable(_Record):
    """One probability over some runs."""

    runs: int
    error: float | None = Field(description="Expected calibration error: mean distance of said and came. 0 is best.")
    bins: list[ReliabilityBin | None] = Field(
        min_length=BINS, max_length=BINS, description="By tenths of [0, 1]; null where nothing was said."
    )


class Reliability(_Record):
    """Both probabilities of a monitor over some finished runs."""

    format: int = RELIABILITY_FORMAT
    runs: int
    tasks: int
    failure: ReliabilityTable = Field(description="Failing in the end, over all scored steps, runs weighing the same.")
    risk: ReliabilityTable = Field(
        description="Failing within h turns, over all scored steps, these weighing the same."
    )


class RunInBins(NamedTuple):
    """What was said of one run, by bin: weights, and the weighted sums of what was said and of what came."""

    weights: Sequence[float]
    said: Sequence[float]
    came: Sequence[float]


def build_table(runs: Sequence[RunInBins]) -> ReliabilityTable:
    """Return the table over runs."""
    total = sum(sum(run.weights) for run in runs)
    bins: list[ReliabilityBin | None] = []
    off = 0.0
    for place in range(BINS):
        weights = [run.weights[place] for run in runs if run.weights[place] > 0]
        inside = sum(weights)
        if inside <= 0:
            bins.append(None)
            continue
        said, came = sum(run.said[place] for run in runs), sum(run.came[place] for run in runs)
        off += abs(came - said)
        bins.append(
            ReliabilityBin(
                said=_to_share(said / inside),
                came=_to_share(came / inside),
                share=_to_share(inside / total),
                runs=len(weights),
                effective_runs=inside**2 / sum(one * one for one in weights),
            )
        )
    return ReliabilityTable(runs=len(runs), error=off / total if total > 0 else None, bins=bins)


def parse_reliability(raw_reliability: bytes, source: str) -> Reliability:
    """Return what a file holds. Raises BundleError, also for a newer format: nothing but the page needs it."""
    return parse_part(Reliability, raw_reliability, source, RELIABILITY_FORMAT)


def _to_share(value: float) -> float:
    # Sums of many fractions may come out a last digit beyond.
    return min(1.0, max(0.0, value))
