"""What forewarn says of a run, for whoever keeps the run's other telemetry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from service.records import RunRef


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run's newest score in a commit, and the alerts that the commit opened."""

    ref: RunRef
    monitor_id: str
    position: int
    """Of the raw step that was scored, which `raw_step` is, as JSON."""
    raw_step: bytes
    turn: int
    risk: float
    failure_probability: float
    warning: bool
    scored_ms: int
    alerts: tuple[bytes, ...] = ()
    """As they go to the outbox, JSON."""


class EvaluationSink(Protocol):
    """Takes evaluations that are committed. Never waits, never raises."""

    def offer(self, evaluations: Sequence[Evaluation]) -> None:
        """Take them, or count them as dropped."""
        ...
