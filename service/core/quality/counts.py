"""How often a monitor is right, from the counts of runs that are over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.core.quality.intervals import Share, to_share


@dataclass(frozen=True, slots=True)
class Kind:
    """What became of a run that is over. `success` is None where nobody said; `alerted` counts alerts that were told to
    nobody as well; `rule` is the number of the decision rule that the run had."""

    success: bool | None
    intervened: bool
    alerted: bool
    control: bool
    rule: int = 0


Counts = Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class Rightness:
    """How often a monitor is right over some runs with an outcome in which nobody intervened. An alert counts whenever
    it came."""

    runs: int
    precision: Share
    """Of the runs that alerted, those that failed."""
    recall: Share
    """Of the runs that failed, those that alerted."""
    false_alarms: Share
    """Of the runs that succeeded, those that alerted: the realised share of what the monitor promises."""


def parse_tally(fields: Mapping[str, int]) -> dict[tuple[str, str], dict[Kind, int]]:
    """Counts by (project, monitor) from the fields of the tallies (`scripts.TALLY`), those of all partitions summed
    up."""
    found: dict[tuple[str, str], dict[Kind, int]] = {}
    for name, runs in fields.items():
        project, _, rest = name.partition(":")
        rest, _, kind = rest.rpartition(":")
        monitor, _, rule = rest.rpartition(":")
        if len(kind) == 4 and rule.isdigit() and runs > 0:
            success = None if kind[0] == "u" else kind[0] == "1"
            intervened, alerted, control = (sign == "1" for sign in kind[1:])
            found.setdefault((project, monitor), {})[Kind(success, intervened, alerted, control, int(rule))] = runs
    return found


def total(
    counts: Counts,
    *,
    success: bool | None,
    intervened: bool | None = False,
    alerted: bool | None = None,
    control: bool | None = None,
    rule: int | None = None,
) -> int:
    """How many runs had this outcome (None: no outcome), and are as asked where it is not None."""
    return sum(
        runs
        for kind, runs in counts.items()
        if kind.success is success
        and (intervened is None or kind.intervened is intervened)
        and (alerted is None or kind.alerted is alerted)
        and (control is None or kind.control is control)
        and (rule is None or kind.rule == rule)
    )


def to_rightness(counts: Counts, *, control: bool | None = None) -> Rightness:
    """How often the monitor is right, over all of these runs, over the control runs, or over the others."""
    good, bad = total(counts, success=True, control=control), total(counts, success=False, control=control)
    false = total(counts, success=True, alerted=True, control=control)
    caught = total(counts, success=False, alerted=True, control=control)
    return Rightness(good + bad, to_share(caught, caught + false), to_share(caught, bad), to_share(false, good))


def count(kinds: Iterable[Kind]) -> dict[Kind, int]:
    """How many of each kind there are."""
    found: dict[Kind, int] = {}
    for kind in kinds:
        found[kind] = found.get(kind, 0) + 1
    return found
