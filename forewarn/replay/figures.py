"""What a replay shows: how many failures were caught, how early, and false alarms against the promise. Pure
arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monitors.conformal import conformal_rank

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class PlayedRun:
    """One replayed run. Turns count from 1; `alert_turn` is that of the first alert, None where there was none."""

    run: str
    run_id: str
    task: str
    success: bool
    steps: int
    last_turn: int
    alert_turn: int | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What the monitor promises: at most `alpha` of successful runs ever alert, by `successes` calibration runs.

    `confidence` is the share of calibrations in which that holds, or None where it holds on average over them.
    """

    alpha: float
    successes: int
    confidence: float | None = None

    def rank(self) -> int:
        """Which of the calibration runs' greatest scores, from the smallest, is the threshold; `successes` + 1 if
        none can be."""
        n = self.successes
        rank = conformal_rank(n, self.alpha)
        if self.confidence is None:
            return min(rank, n + 1)
        # P(Beta(n + 1 - k, k) <= alpha) = P(Binomial(n, alpha) >= n + 1 - k): the stricter rank that `--confidence`
        # chose.
        for stricter in range(rank, n + 1):
            if _binomial_upper_tail(n, self.alpha, n + 1 - stricter) >= self.confidence:
                return stricter
        return n + 1


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of a duration, in milliseconds, over `samples` measurements."""

    p50_ms: float
    p99_ms: float
    samples: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The table of a replay. Shares are None where they have no denominator.

    `false_alarm_range` is where the share of false alarms lies with probability 95 % if the promise holds exactly,
    for so many calibration and replayed successes.
    """

    runs: int
    failures: int
    successes: int
    caught: int
    caught_share: float | None
    left_share: float | None
    false_alarms: int
    false_alarm_share: float | None
    promise: Promise
    false_alarm_range: tuple[float, float] | None


def to_figures(runs: Sequence[PlayedRun], promise: Promise) -> Figures:
    """The figures of these runs.

    A failure is caught if its first alert came strictly before its last turn; `left_share` is the mean of (T - t) /
    T over those.
    """
    failures = [run for run in runs if not run.success]
    successes = [run for run in runs if run.success]
    caught = [run for run in failures if run.alert_turn is not None and run.alert_turn < run.last_turn]
    left = [(run.last_turn - run.alert_turn) / run.last_turn for run in caught if run.alert_turn is not None]
    false_alarms = sum(run.alert_turn is not None for run in successes)
    return Figures(
        runs=len(runs),
        failures=len(failures),
        successes=len(successes),
        caught=len(caught),
        caught_share=len(caught) / len(failures) if failures else None,
        left_share=math.fsum(left) / len(left) if left else None,
        false_alarms=false_alarms,
        false_alarm_share=false_alarms / len(successes) if successes else None,
        promise=promise,
        false_alarm_range=promised_range(promise, len(successes)) if successes else None,
    )


def promised_range(promise: Promise, replayed: int, level: float = LEVEL) -> tuple[float, float]:
    """The central range of the share of false alarms among `replayed` successes, over draws of calibration and
    replay alike.

    With the k-th smallest of n calibration maxima as threshold, the rate of false alarms is Beta(n + 1 - k, k) over
    calibrations (Vovk 2012), so their number among m new runs is Beta-binomial. Runs are taken as exchangeable:
    where several are of one task, the true range is somewhat wider.
    """
    rank = promise.rank()
    if rank > promise.successes:
        return 0.0, 0.0  # no threshold keeps the promise, so nothing ever alerts
    masses = _beta_binomial(replayed, promise.successes + 1 - rank, rank)
    tail = (1 - level) / 2
    return _quantile(masses, tail) / replayed, _quantile(masses, 1 - tail) / replayed


def to_latency(durations_ms: Sequence[float]) -> Latency | None:
    """Median and 99th percentile (nearest rank) of what was measured; None for nothing."""
    if not durations_ms:
        return None
    ordered = sorted(durations_ms)

    def at(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Latency(at(0.5), at(0.99), len(ordered))


def _beta_binomial(m: int, a: float, b: float) -> list[float]:
    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    return [
        math.exp(-math.log(m + 1) - log_beta(m - x + 1, x + 1) + log_beta(x + a, m - x + b) - log_beta(a, b))
        for x in range(m + 1)
    ]


def _quantile(masses: Sequence[float], share: float) -> int:
    total = 0.0
    for value, mass in enumerate(masses):
        total += mass
        if total >= share:
            return value
    return len(masses) - 1


def _binomial_upper_tail(n: int, p: float, at_least: int) -> float:
    log_p, log_q = math.log(p), math.log1p(-p)
    return math.fsum(
        math.exp(math.lgamma(n + 1) - math.lgamma(x + 1) - math.lgamma(n - x + 1) + x * log_p + (n - x) * log_q)
        for x in range(at_least, n + 1)
    )
