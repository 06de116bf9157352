"""The line that alerts go by, as a run's chart draws it.

What is compared is the raw failure logit less its turn's offset, with a threshold (`monitors.decision`). The failure
probability is a rising function of that logit, so the same comparison holds between the failure probability and the
threshold at that turn, put through the same function: that is the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitors.bundle import Manifest
from monitors.groups import NO_NAME, OTHERS, build_rules


@dataclass(frozen=True, slots=True)
class ThresholdLine:
    """Failure probabilities, 0 … 1, by turn from 0; the last goes on for ever. `opens` is None where the monitor never
    alerts, since its calibration runs are too few for its promise."""

    opens: list[float] | None
    """An episode opens strictly above."""
    closes: list[float] | None
    """It ends at or below."""
    min_turns: int
    """Nothing opens before this turn."""
    alpha: float
    """The promised share of successful runs that ever alert."""
    runs: int
    """Successful calibration runs that the threshold comes from."""
    group: str | None
    """The agent whose own threshold this is, "" for agents without one; None where there is one for all."""


def to_threshold_line(manifest: Manifest, rule: int | None, agent: str) -> ThresholdLine:
    """The line of a run with this decision rule; None: of one that has no score yet, of this agent."""
    rules = build_rules(manifest)
    number = rules.find(agent) if rule is None else rule
    number = number if number < len(rules.rules) else NO_NAME
    maxima = manifest.calibration.success_maxima
    group = None
    if manifest.groups is not None and number >= OTHERS:
        group = next((name for name, one in rules.numbers.items() if one == number), "")
        maxima = (manifest.groups.own[group] if group else manifest.groups.others).success_maxima
    chosen = rules.rules[number]
    opens = closes = None
    if math.isfinite(chosen.threshold):
        offsets = chosen.offsets or (0.0,)
        opens = to_failure_probability(manifest, [chosen.threshold + offset for offset in offsets])
        closes = to_failure_probability(manifest, [chosen.release + offset for offset in offsets])
    return ThresholdLine(opens, closes, chosen.min_turns, manifest.alpha, len(maxima), group)


def to_failure_probability(manifest: Manifest, logits: Sequence[float]) -> list[float]:
    """The calibrated failure probabilities, 0 … 1, of raw failure logits."""
    # In 32 bits, as scores are when they become probabilities.
    return [float(one) for one in manifest.calibration.failure.to_probability(np.array(logits, np.float32))]
