"""Slows down whoever guesses keys, without letting one caller shut out another: counted by address, in this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from service.errors import TooManyGuesses

BURST = 20.0
PER_S = 1.0
# Addresses that are remembered: the one that was wrong longest ago is forgotten first, which only helps guessers who
# have more addresses than this.
REMEMBERED = 10_000


@dataclass(slots=True)
class _Left:
    tries: float
    at: float


class GuessGate:
    """A token bucket of wrong keys for each address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: OrderedDict[str, _Left] = OrderedDict()

    def note(self, origin: str) -> None:
        """The address tries a key that is not known yet. Raises TooManyGuesses, without the key being looked at."""
        now = self._clock()
        left = self._left.pop(origin, None) or _Left(BURST, now)
        left.tries, left.at = min(BURST, left.tries + (now - left.at) * PER_S), now
        self._left[origin] = left
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        if left.tries < 1:
            raise TooManyGuesses(retry_after_s=max(1, round((1 - left.tries) / PER_S)))
        left.tries -= 1

    def forgive(self, origin: str) -> None:
        """The try was right after all."""
        self._left[origin].tries += 1
