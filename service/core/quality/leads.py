"""How early alerts came, over runs that failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from service.core.quality.finished import FinishedRun


@dataclass(frozen=True, slots=True)
class Lead:
    """First alerts of failed runs in which nobody intervened, as an evaluation counts them. None where there are
    none."""

    runs: int
    """Alerted before their last turn: the medians are over these."""
    late: int
    """Alerted at their last turn."""
    left: float | None
    """Median share of the run's turns that were left, 0 … 1."""
    turns: float | None
    """Median number of turns that were left."""


def lead_of(runs: Iterable[FinishedRun]) -> Lead:
    """The lead over runs with an outcome."""
    alerted = [
        (run.alert_turn, run.turns) for run in runs if not run.kind.success and run.alert_turn is not None and run.turns
    ]
    early = [(turns - at, turns) for at, turns in alerted if at < turns]
    if not early:
        return Lead(0, len(alerted), None, None)
    return Lead(
        len(early),
        len(alerted) - len(early),
        median(left / turns for left, turns in early),
        float(median(left for left, _ in early)),
    )
