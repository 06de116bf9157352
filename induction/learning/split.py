"""Which finished runs train and which calibrate."""

from __future__ import annotations

from dataclasses import dataclass

from induction.learning.labelled import N_FOLDS, hash_fold


@dataclass(frozen=True, slots=True)
class Split:
    """Which runs train and which calibrate, by fold of their task."""

    exclude_fold: int | None

    def calibrates(self, task: str, fold: int) -> bool:
        """Return whether a task's runs calibrate: fold K + 1 where fold K is excluded, else a fifth of the tasks by
        hash.
        """
        if self.exclude_fold is None:
            return hash_fold("calibration:" + task) == 0
        return fold == (self.exclude_fold + 1) % N_FOLDS

    def trains(self, task: str, fold: int) -> bool:
        """Return whether a task's runs train."""
        return fold != self.exclude_fold and not self.calibrates(task, fold)
