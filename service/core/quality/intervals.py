"""A share and how far it may be off."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Of a normal variable, two-sided 95 %.
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of` runs. Nothing is said of none: then `value`, `low` and `high` are None."""

    hits: int
    of: int
    value: float | None
    low: float | None
    high: float | None


def to_share(hits: int, of: int) -> Share:
    """The share with its 95 % interval by Wilson (1927): it stays within 0 … 1, and is wide, not empty, at 0 and at 1.

    For a number of runs fixed beforehand: looked at again and again, it misses more often.
    """
    if of <= 0:
        return Share(0, 0, None, None, None)
    value = hits / of
    low, high = to_interval(value, of)
    return Share(hits, of, value, low, high)


def to_interval(value: float, of: float) -> tuple[float, float]:
    """The 95 % interval of a share of so many, which need not be a whole number."""
    middle = (value + Z * Z / (2 * of)) / (1 + Z * Z / of)
    reach = Z / (1 + Z * Z / of) * math.sqrt(value * (1 - value) / of + Z * Z / (4 * of * of))
    return max(0.0, middle - reach), min(1.0, middle + reach)
