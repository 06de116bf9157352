"""The threshold that keeps a promised false-alarm rate: split conformal prediction on run maxima.

Left out: scipy, which a served monitor goes without; the Beta distribution of a rank is a sum of binomial terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALPHAS = (0.01, 0.05, 0.1, 0.2)
"""The rates for which every bundle states what it can promise."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What the calibration runs support at one promised rate."""

    alpha: float
    threshold: float | None
    """On the alert statistic (the raw failure logit, less its turn's offset if the bundle has any); strictly above
    alerts. None: too few runs, never alerts."""
    needs: int
    """The fewest successful calibration runs that support it."""
    realised_range: tuple[float, float]
    """90 % range of the realised false-alarm rate over calibration draws (Beta); (0, 0) if nothing ever alerts."""


def promise(success_maxima: Sequence[float], alpha: float, confidence: float | None = None) -> Promise:
    """Return what the greatest scores of successful calibration runs support: `alpha` on average over calibrations, or
    in a share `confidence` of them.
    """
    n = len(success_maxima)
    average = confident_alpha(n, alpha, confidence)
    threshold = conformal_threshold(success_maxima, average)
    return Promise(
        alpha,
        threshold if math.isfinite(threshold) else None,
        fewest_runs(alpha, confidence),
        realised_range(n, average),
    )


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
    exchangeable with them (Vovk, Gammerman and Shafer 2005; Papadopoulos et al. 2002). Any statistic will do, however
    runs' turns depend on one another, that was fixed without these runs.
    """
    rank = conformal_rank(len(success_maxima), alpha)
    return sorted(success_maxima)[rank - 1] if rank <= len(success_maxima) else math.inf


def fewest_runs(alpha: float, confidence: float | None = None) -> int:
    """Return the least n for which a threshold keeps `alpha`: 1 / alpha - 1 on average over calibrations; in a share
    `confidence` of them, where the greatest of n maxima does: 1 - (1 - alpha)^n >= confidence.
    """
    average = math.ceil(1 / alpha - 1 - 1e-9)
    if confidence is None:
        return average
    return max(average, math.ceil(math.log1p(-confidence) / math.log1p(-alpha) - 1e-9))


def finest_alpha(n: int, confidence: float | None = None) -> float:
    """Return the smallest rate that n successful calibration runs support, the inverse of `fewest_runs`; 1 for none."""
    average = 1 / (n + 1)
    if confidence is None or n == 0:
        return average
    return max(average, -math.expm1(math.log1p(-confidence) / n))


def confident_alpha(n: int, alpha: float, confidence: float | None) -> float:
    """Return the rate to promise on average so that `alpha` is kept in a share `confidence` of calibrations; `alpha`
    itself for None.
    """
    if confidence is None:
        return alpha
    for rank in range(conformal_rank(n, alpha), n + 1):
        # The guard: equality, as at n = fewest_runs, must not fail by a rounding error.
        if kept_share(n, rank, alpha) >= confidence - 1e-12:
            return (n + 1 - rank) / (n + 1)
    return 0.5 / (n + 1)


def realised_range(n: int, alpha: float, level: float = 0.9) -> tuple[float, float]:
    """Return the central range of the realised false-alarm rate over calibration draws: Beta(n + 1 - k, k); (0, 0) if
    nothing ever alerts.
    """
    rank = conformal_rank(n, alpha)
    if rank > n:
        return 0.0, 0.0
    tail = (1.0 - level) / 2.0
    return _quantile(n, rank, tail), _quantile(n, rank, 1.0 - tail)


def kept_share(n: int, rank: int, rate: float) -> float:
    """Return in which share of calibrations the rank-th smallest of n maxima (1 <= rank <= n), as a threshold, has a
    realised rate of at most `rate` (0 < rate < 1), the maxima being independent and without ties.

    The realised rate is Beta(n + 1 - rank, rank) (Vovk 2012); its distribution function is that of at least
    n + 1 - rank hits among n of probability `rate`.
    """
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    hits = np.arange(n + 1 - rank, n + 1)
    ways = log_factorial[n] - log_factorial[hits] - log_factorial[n - hits]
    return min(1.0, float(np.exp(ways + hits * math.log(rate) + (n - hits) * math.log1p(-rate)).sum()))


def _quantile(n: int, rank: int, share: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if kept_share(n, rank, middle) < share else (low, middle)
    return (low + high) / 2
