"""A test that may be looked at after every run, for ever: do runs do something oftener than the calibration runs did?

Calibration and live runs are exchangeable: that is all that is assumed while nothing has changed. What is counted is
how many live runs lie strictly beyond the k-th smallest of n calibration values. Then the next run does with
probability (n + 1 - k + hits) / (n + 1 + runs), whatever the values are distributed like: an urn of Pólya's with
n + 1 - k balls of one colour and k of the other, which gets one more of the colour drawn. Its prediction holds the luck
of the calibration draw as well, so a threshold that turned out too low by chance is no reason to flag; a test against
the fixed rate α would say so sooner or later, of every second monitor. (Ties only make hits rarer.)

The evidence is the likelihood ratio of a mixture of alternatives to that urn, so it is a nonnegative martingale with
mean 1 while nothing has changed, and by Ville's inequality (1939) P(it ever reaches 1 / δ) <= δ. It bets like the
conformal test martingales of Vovk, Nouretdinov and Gammerman (2003; Vovk 2021, "Testing randomness online"), on an
event of fixed calibration rank; mixtures of alternatives: Robbins (1970), Howard, Ramdas, McAuliffe and Sekhon (2021),
betting: Waudby-Smith and Ramdas (2024). An alternative says: from this start on, hits are r times as likely as the urn
had it then. Starts are mixed too (weights that sum to 1, as Shiryaev had it for change points), so that a change after
long good years is not held against the years.

Limits: runs of one task, or of one hour, are alike; the more of that live and in calibration, the less exchangeable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0)
"""How many times as likely hits may have become, equally weighted."""
STARTS = 32
"""So many of the latest starts are looked at; forgetting some can only lower the evidence."""
_SPACING = 25


@dataclass(frozen=True, slots=True)
class Urn:
    """What calibration says of the next run, as balls: n + 1 - k for a hit, k against it."""

    hits: int
    misses: int

    @property
    def rate(self) -> float:
        """The probability that the first live run hits."""
        return self.hits / (self.hits + self.misses)


@dataclass(frozen=True, slots=True)
class Start:
    """A moment from which things may have changed: the `number`-th that was set, after `runs` with `hits` among
    them."""

    number: int
    runs: int
    hits: int


FIRST = Start(0, 0, 0)


def next_start(last: Start) -> int:
    """After how many runs the next start is set: 25 later, or 1/32 of all so far. So the last 32 go back over about
    two thirds of all runs, however many there are."""
    return last.runs + max(_SPACING, last.runs // STARTS)


def log_evidence(urn: Urn, starts: Sequence[Start], runs: int, hits: int) -> float:
    """The logarithm of the evidence that runs do it oftener than calibration had it, after so many runs with so many
    hits among them. Of `starts` some of the earlier ones may be missing."""
    terms = []
    for start in starts:
        more, new_hits = runs - start.runs, hits - start.hits
        if more <= 0 or not 0 <= new_hits <= more:
            continue
        balls, of = urn.hits + start.hits, urn.hits + urn.misses + start.runs
        said = _log_chance(balls, of - balls, new_hits, more)
        weight = -math.log((start.number + 1) * (start.number + 2) * len(RATIOS))
        for ratio in RATIOS:
            dearer = min(ratio * balls, of - 0.5)
            terms.append(weight + _log_chance(dearer, of - dearer, new_hits, more) - said)
    if not terms:
        return 0.0
    greatest = max(terms)
    return greatest + math.log(sum(math.exp(term - greatest) for term in terms))


def is_flagged(evidence: float, level: float) -> bool:
    """True if this logarithm of evidence is what comes with probability `level` at most, ever, while nothing has
    changed."""
    return evidence >= -math.log(level)


def _log_chance(hits: float, misses: float, new_hits: int, runs: int) -> float:
    """The logarithm of the probability that an urn with these balls gives just this sequence of `runs`."""
    return _log_beta(hits + new_hits, misses + runs - new_hits) - _log_beta(hits, misses)


def _log_beta(left: float, right: float) -> float:
    return math.lgamma(left) + math.lgamma(right) - math.lgamma(left + right)
