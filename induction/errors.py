"""Errors of the induction package.

ForewarnError
└── InductionError
    ├── UnreadableRawError   RAW is missing, empty, or nothing in it can be read
    ├── OutcomesError        a table of outcomes with a bad row; lives in induction.outcomes
    ├── NoRunsError          nothing that looks like runs, or no run matches its outcome
    ├── LlmError             a chat endpoint gave no usable answer; ends its proposal, never an induction
    ├── TooFewRunsError      not enough runs of each outcome to train or to calibrate
    ├── NoGroupsError        thresholds by group were asked for, and no calibration run has a group
    ├── NoCudaError          CUDA was asked for, and torch cannot use it here
    ├── KnownTasksError      an evaluation on tasks that the bundle was made from
    ├── TooLargeError        a graph or a run's state beyond its limit; nothing was written
    └── ParityError          the exported graph does not give the network's scores; nothing was written
"""

from __future__ import annotations

from monitors.errors import ForewarnError


class InductionError(ForewarnError):
    """Root of induction's errors."""


class UnreadableRawError(InductionError):
    """RAW is missing, empty, or nothing in it can be read."""


class NoRunsError(InductionError):
    """Nothing that looks like runs was found, or no run matches its outcome."""


class LlmError(InductionError):
    """A chat endpoint gave no usable answer, or the cost ceiling is reached."""


class TooFewRunsError(InductionError):
    """Not enough runs of each outcome."""


class NoGroupsError(InductionError):
    """Thresholds by group were asked for, and no calibration run has a group."""


class NoCudaError(InductionError):
    """CUDA was asked for, and torch cannot use it here."""

    def __init__(self, reason: str) -> None:
        """`reason` says what is missing or fails."""
        self.reason = reason
        super().__init__(
            f"networks cannot train on CUDA: {reason}. Install an NVIDIA driver and the CUDA build of torch that its "
            "installation page names for it (the release of constraints.txt), or train with --device cpu"
        )


class KnownTasksError(InductionError):
    """The bundle was trained or calibrated on tasks of this evaluation."""


class TooLargeError(InductionError):
    """A graph or a run's state is beyond what a service should have to hold."""


class ParityError(InductionError):
    """The exported graph and the network disagree."""
