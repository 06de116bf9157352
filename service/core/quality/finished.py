"""What is asked of one finished run: a pure function of its score records and of what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitors.profile import RunProfile, StepCounter
from monitors.reliability import BINS
from service.core.quality.counts import Kind
from service.records import COUNTED, SCORE_LAYOUT, RunRecord

LOOKED_AT_STEPS = 2_000
"""Of a longer run only so many first steps are looked at."""


@dataclass(frozen=True, slots=True)
class Probabilities:
    """The failure probabilities that a run's steps were given, each step weighing 1 / steps, so that runs weigh the
    same: as calibration was fitted. By bin of width 1 / BINS: weight, and weighted sum."""

    weights: tuple[float, ...]
    sums: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the run's steps."""
        return sum(self.sums)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """One run that is over."""

    project: str
    monitor_id: str
    ended_ms: int
    outcome_ms: int
    kind: Kind
    profile: RunProfile
    probabilities: Probabilities | None
    """None where no step was scored."""
    turns: int = 0
    alert_turn: int | None = None
    """Of the first alert, told or hidden; None: none, or beyond the steps that are looked at."""


def to_finished(record: RunRecord, records: bytes) -> FinishedRun:
    """The run in its record and its first steps' stored score records."""
    summary = record.summary
    rows = [row for row in SCORE_LAYOUT.iter_unpack(records) if row[6] & 1]
    kind = Kind(
        record.success,
        bool(record.intervened),
        summary.alerts + summary.hidden_alerts > 0,
        summary.control,
        summary.rule,
    )
    return FinishedRun(
        record.ref.project,
        record.monitor_id,
        record.ended_ms or 0,
        record.outcome_ms or 0,
        kind,
        _to_profile(rows),
        _to_probabilities([row[1] for row in rows if not row[6] & 16]),
        summary.turn,
        next((int(row[4]) for row in rows if row[6] & (4 | 32)), None),
    )


def _to_profile(rows: Iterable[tuple[float, ...]]) -> RunProfile:
    steps = StepCounter()
    for row in rows:
        symbol, flags, filled = int(row[5]), int(row[6]), int(row[7])
        if filled & COUNTED:
            steps.add(symbol, filled, known=bool(flags & 8), new_tool=bool(flags & 64))
    return steps.to_profile()


def _to_probabilities(values: list[float]) -> Probabilities | None:
    if not values:
        return None
    weights, sums = [0.0] * BINS, [0.0] * BINS
    for value in values:
        place = min(BINS - 1, int(value * BINS))
        weights[place] += 1 / len(values)
        sums[place] += value / len(values)
    return Probabilities(tuple(weights), tuple(sums))
