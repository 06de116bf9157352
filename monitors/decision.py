"""When a monitor warns: one alert per episode, on the raw failure logit, strictly above a threshold that may vary with
the turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Alert:
    """An episode has just opened."""

    episode: int
    """1 for a run's first alert."""
    turn: int
    score: float
    """The raw failure logit that crossed; higher is worse."""
    threshold: float
    """What it crossed: the threshold at this turn."""
    risk: float
    """Calibrated P(fails within the next h turns), 0 … 1."""
    failure_probability: float
    """Calibrated P(fails in the end), 0 … 1."""
    risk_before: float
    """Risk after the run's previous raw step; the base rate at its first."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rule remembers of a run."""

    episodes: int = 0
    warning: bool = False
    risk: float = 0.0
    """Risk after the last raw step."""


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """Opens an episode when the alert statistic, the score less its turn's offset, is strictly above `threshold` from
    turn `min_turns` on; closes it when it falls to `release` or below.

    The promise about false alarms needs only the opening: a run alerts if and only if its greatest statistic (from
    `min_turns` on) is above the threshold. `threshold` is infinite where the calibration runs are too few for the
    promised rate, and then nothing ever alerts.
    """

    threshold: float
    release: float
    min_turns: int = 0
    offsets: tuple[float, ...] = ()
    """By turn, from 0: how far its threshold lies above `threshold`. The last goes on for ever; none: flat."""

    def threshold_at(self, turn: int) -> float:
        """Return what a score is compared with at a turn."""
        return self.threshold + self._offset(turn)

    def next_standing(self, standing: Standing, turn: int, score: float, risk: float) -> tuple[Standing, bool]:
        """Return the run's standing after a score, and whether an episode opened with it."""
        # The same sum as `to_statistic`, so that no rounding parts a score from the maximum that set the threshold.
        statistic = score - self._offset(turn)
        if standing.warning:
            return Standing(standing.episodes, statistic > self.release, risk), False
        opens = turn >= self.min_turns and statistic > self.threshold
        return Standing(standing.episodes + opens, opens, risk), opens

    def _offset(self, turn: int) -> float:
        return self.offsets[min(turn, len(self.offsets) - 1)] if self.offsets else 0.0


def to_statistic(score: NDArray[np.float64], turns: NDArray[np.int32], offsets: Sequence[float]) -> NDArray[np.float64]:
    """Return the alert statistic [S] of scores [S] at turns [S]: raw failure logit less the turn's offset."""
    if not offsets:
        return score
    statistic: NDArray[np.float64] = score - np.array(offsets)[np.minimum(turns, len(offsets) - 1)]
    return statistic
