"""The threshold that keeps a promised false-alarm rate: split conformal prediction on run maxima."""

from __future__ import annotations

import math
from collections.abc import Sequence


def conformal_rank(n: int, alpha: float) -> int:
    """Return k = ceil((n + 1)(1 - alpha)): the threshold is the k-th smallest of n run maxima; k > n means that no
    threshold keeps alpha.
    """
    # Guard against (n + 1)(1 - alpha) lying a rounding error above an integer.
    return math.ceil((n + 1) * (1 - alpha) - 1e-9)


def conformal_threshold(success_maxima: Sequence[float], alpha: float) -> float:
    """Return the threshold for a promised rate from the greatest scores of successful calibration runs; infinite if
    they are too few.

    Alert strictly above it: then P(a new successful run ever alerts) <= alpha, on average over calibrations, if it is
    exchangeable with them (Vovk, Gammerman and Shafer 2005; Papadopoulos et al. 2002).
    """
    rank = conformal_rank(len(success_maxima), alpha)
    return sorted(success_maxima)[rank - 1] if rank <= len(success_maxima) else math.inf
