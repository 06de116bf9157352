"""Thresholds of groups of runs: Mondrian conformal prediction."""

from __future__ import annotations

from collections.abc import Sequence

from induction.errors import NoGroupsError
from induction.learning.scoring import ScoredRun
from monitors.bundle.manifest import GroupRecord, GroupsRecord
from monitors.conformal import fewest_runs, promise
from monitors.decision import to_statistic


def group_thresholds(
    runs: Sequence[ScoredRun],
    by: str,
    alpha: float,
    confidence: float | None = None,
    release_margin: float = 0.0,
    offsets: Sequence[float] = (),
) -> GroupsRecord:
    """Return a threshold for each group with enough successful calibration runs, `fewest_runs(alpha, confidence)`, and
    one for all other groups together. Raises NoGroupsError if no run has a group.

    Within each of these categories P(a new successful run ever alerts) <= alpha, if it is exchangeable with the
    category's calibration runs: Mondrian conformal prediction (Vovk, Gammerman and Shafer 2005, section 4.5; Vovk
    2012). Categories follow from groups' names alone, which are known before a run's first score, never from scores.

    The threshold of the others rests on their runs alone. One over all runs would keep alpha over the mix of
    everybody, and let the others alert as often as they like as long as they are few.

    To be exact, categories may not depend on which of the n + 1 runs is the new one: a run is of a large group if
    `needed` *other* runs share its group. Seen from a run of another group, one with just `needed` calibration runs
    is not large yet, so its runs count among the others as well.
    """
    maxima: dict[str, list[float]] = {}
    for run in runs:
        if run.success and run.group:
            maxima.setdefault(run.group, []).append(float(to_statistic(run.score, run.turns, offsets).max()))
    if not maxima:
        raise NoGroupsError(f"no successful calibration run has a {by!r} in its row of the outcomes")
    needed = fewest_runs(alpha, confidence)

    def record(values: list[float]) -> GroupRecord:
        threshold = promise(values, alpha, confidence).threshold
        release = None if threshold is None else threshold - release_margin
        return GroupRecord(success_maxima=sorted(values), threshold=threshold, release=release)

    return GroupsRecord(
        by=by,
        needed=needed,
        own={group: record(values) for group, values in sorted(maxima.items()) if len(values) >= needed},
        others=record([one for values in maxima.values() if len(values) <= needed for one in values]),
    )
