"""What learning tells of itself while it works: stages, parts of a stage, epochs, and how long the rest may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EpochReport:
    """How training stands after an epoch; validation figures are NaN where nothing is held out."""

    epoch: int
    loss: float
    validation_loss: float
    validation_auprc: float
    """Average precision of the risk over the validation steps."""
    seconds_left: float
    """At most, as fast as the epochs of this process were."""
    epochs: int
    """At most this many."""


class Progress(Protocol):
    """Hears how the work goes."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def part(self, done: int, total: int, seconds_left: float) -> None:
        """So many parts of the stage are done, and the rest takes about so long."""

    def epoch(self, report: EpochReport) -> None:
        """An epoch of training is over."""

    def note(self, text: str) -> None:
        """Something is worth a line."""


class NoProgress:
    """Progress that nobody watches."""

    def stage(self, name: str) -> None:
        """Say nothing."""

    def part(self, done: int, total: int, seconds_left: float) -> None:
        """Say nothing."""

    def epoch(self, report: EpochReport) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


NO_PROGRESS = NoProgress()


class Countdown:
    """Tells a stage's parts as they end. The time left is that of the parts made so far, scaled by what each costs."""

    def __init__(self, progress: Progress, costs: Sequence[float], clock: Callable[[], float] = time.monotonic) -> None:
        """Begin a stage of parts whose `costs` are relative to one another, in their order."""
        self._progress = progress
        self._costs = costs
        self.done, self._made = 0, 0.0
        self._clock, self._started = clock, clock()

    def skip_to(self, done: int) -> None:
        """Count parts that took no time, as they were remembered."""
        self.done = done

    def end_part(self) -> None:
        """Tell that the next part was made."""
        self._made += self._costs[self.done]
        self.done += 1
        left = (self._clock() - self._started) / self._made * sum(self._costs[self.done :])
        self._progress.part(self.done, len(self._costs), left)
