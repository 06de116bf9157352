"""What learning remembers of its dear stages, so that one that was killed goes on: arrays by name.

A stage that is remembered is not made again, so it has to depend on nothing but the corpus and the settings: then a
learning that was killed anywhere ends in the same bytes as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from induction.learning.progress import Countdown

Remember = Callable[[str, Callable[[], NDArray[Any]]], NDArray[Any]]
"""Returns what was made under a name before, or makes it."""


class Checkpoints(Protocol):
    """Keeps arrays by name for a learning that may be killed. A name is a file's: letters, digits and hyphens."""

    def find(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Return what was kept last under a name, whole; None if there is nothing that may be used."""

    def keep(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays under a name, in place of those kept before. A failure to is told, never raised."""

    def clear(self) -> None:
        """Forget all: the work is done."""


class NoCheckpoints:
    """Keeps nothing: for learning that is short, or that somebody else keeps whole."""

    def find(self, name: str) -> dict[str, NDArray[Any]] | None:  # noqa: ARG002 - the protocol's
        """Return None."""
        return None

    def keep(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""


NO_CHECKPOINTS = NoCheckpoints()


def make_at_once(name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:  # noqa: ARG001 - nothing is remembered
    """Make it: the `Remember` of who keeps nothing."""
    return make()


class Parts:
    """The parts of one stage: each remembered or made, then told. A `Remember`."""

    def __init__(self, stage: str, checkpoints: Checkpoints, countdown: Countdown) -> None:
        """`stage` begins the names that parts are kept under."""
        self._stage, self._checkpoints, self._countdown = stage, checkpoints, countdown

    def __call__(self, name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the part of this name."""
        kept = self._checkpoints.find(f"{self._stage}-{name}")
        if kept is not None:
            self._countdown.skip_to(self._countdown.done + 1)
            return kept["part"]
        found = np.asarray(make())
        self._checkpoints.keep(f"{self._stage}-{name}", {"part": found})
        self._countdown.end_part()
        return found
