"""Whether failure probabilities still mean what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monitors.reliability import BINS, RunInBins, build_table
from service.core.quality.finished import Probabilities
from service.records import JsonObject

FEWEST = 10
"""Fewer runs say nothing of their own spread."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Failure probabilities held against what came, over the runs' scored steps, each run weighing the same. None where
    there are no runs, or too few."""

    runs: int
    error: float | None
    """Expected calibration error, 0 … 1: by bins of a tenth, how far the mean probability lies off the share of
    failures, weighed by how much is in the bin. Above 0 by chance alone, the more the fewer runs."""
    excess: float | None
    """Share of failures less mean probability: above 0, the monitor is too hopeful."""
    z: float | None
    """`excess` in its own standard errors, over runs: beyond ±2 in one of twenty looks while all is well. For one look,
    not for a test that may be repeated."""
    bins: list[JsonObject | None]
    """By tenths of probability, as `ReliabilityBin`; none at all without runs."""


def calibration_of(runs: Sequence[tuple[Probabilities, bool]]) -> Calibration:
    """The calibration over runs: each one's probabilities, and whether it failed."""
    if not runs:
        return Calibration(0, None, None, None, [])
    nothing = (0.0,) * BINS
    table = build_table([RunInBins(one.weights, one.sums, one.weights if failed else nothing) for one, failed in runs])
    differences = [failed - one.mean for one, failed in runs]
    n = len(runs)
    excess = sum(differences) / n
    z = None
    if n >= FEWEST:
        spread = math.sqrt(sum((one - excess) ** 2 for one in differences) / (n - 1))
        z = excess / (spread / math.sqrt(n)) if spread > 0 else None
    bins = [None if one is None else one.model_dump() for one in table.bins]
    return Calibration(n, table.error, excess, z, bins)
