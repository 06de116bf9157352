"""When a monitor warns: one alert per episode, on the raw failure logit, strictly above a threshold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alert:
    """An episode has just opened."""

    episode: int
    """1 for a run's first alert."""
    turn: int
    score: float
    """The alert statistic that crossed; higher is worse."""
    threshold: float
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
    """Opens an episode when the score is strictly above `threshold` from turn `min_turns` on; closes it when it falls
    to `release` or below.

    The promise about false alarms needs only the opening: a run alerts if and only if its greatest score (from
    `min_turns` on) is above the threshold. `threshold` is infinite where the calibration runs are too few for the
    promised rate, and then nothing ever alerts.
    """

    threshold: float
    release: float
    min_turns: int = 0

    def next_standing(self, standing: Standing, turn: int, score: float, risk: float) -> tuple[Standing, bool]:
        """Return the run's standing after a score, and whether an episode opened with it."""
        if standing.warning:
            return Standing(standing.episodes, score > self.release, risk), False
        opens = turn >= self.min_turns and score > self.threshold
        return Standing(standing.episodes + opens, opens, risk), opens
