"""First alerts, run by run and in sum: when they come, how much of the run is left, which failures they catch, and for
whom they are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from induction.evaluation.alerting import first_alerts_at
from induction.evaluation.sample import Sample

KINDS = ("ends in an error", "ends without a reply", "goes round in circles", "ends by itself")
"""How a run ends, by what its raw steps show; the first that fits. Nothing of it is known to the monitor."""
LONGEST_GROUPS = 3
MIN_RUNS = 5
"""Smaller groups are counted as one, "others"."""


@dataclass(frozen=True, slots=True)
class RunDiagnosis:
    """What a threshold did to one finished run."""

    run: str
    task: str
    agent: str
    failed: bool
    turns: int
    alert_turn: int | None
    """Turn of the first alert; None if there was none."""
    kind: str
    """How the run ends: one of KINDS, "" where nobody said."""

    @property
    def left(self) -> float | None:
        """Share of the run still to come at the first alert."""
        return None if self.alert_turn is None else max(self.turns - self.alert_turn, 0) / max(self.turns, 1)

    @property
    def in_time(self) -> bool:
        """Whether it was alerted strictly before its last turn."""
        return bool(self.left)


@dataclass(frozen=True, slots=True)
class GroupDiagnosis:
    """Alerts and outcomes of some runs. The four counts are the confusion of "alerted" with "failed"."""

    by: str
    group: str
    caught: int
    """Failed, alerted before the last turn."""
    missed: int
    """Failed, not alerted or only at the last turn."""
    false_alarms: int
    quiet: int
    """Succeeded, never alerted."""
    mean_alert_turn: float | None
    """Of the failures that were caught."""
    mean_left: float | None

    @property
    def recall(self) -> float | None:
        """Share of the failures that were caught."""
        return self.caught / (self.caught + self.missed) if self.caught + self.missed else None

    @property
    def false_alarm_share(self) -> float | None:
        """Share of the successes that were alerted."""
        runs = self.false_alarms + self.quiet
        return self.false_alarms / runs if runs else None


def diagnose_runs(
    sample: Sample,
    thresholds: NDArray[np.float64],
    agents: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> list[RunDiagnosis]:
    """Return each run's first alert at its own of R thresholds, in the order of the sample; `kinds` by run id."""
    turns = first_alerts_at(sample, thresholds)
    return [
        RunDiagnosis(
            run.run,
            run.task,
            (agents or {}).get(run.run, ""),
            not run.success,
            run.last_turn,
            int(turn) if turn >= 0 else None,
            (kinds or {}).get(run.run, ""),
        )
        for run, turn in zip(sample.runs, turns, strict=True)
    ]


def diagnose_groups(runs: Sequence[RunDiagnosis]) -> list[GroupDiagnosis]:
    """Return all runs in one, then by length (thirds of the runs), by agent and by kind of ending, largest first."""
    found = [_count("all", "all runs", runs)]
    lengths = sorted(run.turns for run in runs)
    edges = [lengths[len(lengths) * place // LONGEST_GROUPS] for place in range(1, LONGEST_GROUPS)] if lengths else []
    found += _group("length", runs, lambda run: _name_length(run.turns, edges), in_order=True)
    found += _group("agent", [run for run in runs if run.agent], lambda run: run.agent)
    found += _group("ending", [run for run in runs if run.kind], lambda run: run.kind)
    return found


def name_ending(*, error_now: bool, answered: bool, repeats: int) -> str:
    """Return the kind of a run's ending from its last turn: whether it met an error, whether it got a reply, and how
    many calls or results of the run stood in it word for word before.
    """
    if error_now:
        return KINDS[0]
    if repeats >= 3:
        return KINDS[2]
    return KINDS[3] if answered else KINDS[1]


def to_figures(runs: Sequence[RunDiagnosis]) -> dict[str, float]:
    """Return flat figures of the first alerts for metrics.json: counts, and quartiles of turn and share left."""
    caught = [run for run in runs if run.failed and run.in_time]
    figures = {
        "first_alert_caught": float(len(caught)),
        "first_alert_missed": float(sum(run.failed and not run.in_time for run in runs)),
        "first_alert_at_last_turn": float(sum(run.failed and run.left == 0 for run in runs)),
        "first_alert_false": float(sum(not run.failed and run.alert_turn is not None for run in runs)),
    }
    for name, values in (
        ("turn", [run.alert_turn or 0 for run in caught]),
        ("left", [run.left or 0.0 for run in caught]),
    ):
        if values:
            for share, quantile in ((25, 0.25), (50, 0.5), (75, 0.75)):
                figures[f"first_alert_{name}_p{share}"] = float(np.quantile(values, quantile))
    return figures


def _group(
    by: str, runs: Sequence[RunDiagnosis], name: Callable[[RunDiagnosis], str], *, in_order: bool = False
) -> list[GroupDiagnosis]:
    members: dict[str, list[RunDiagnosis]] = {}
    for run in sorted(runs, key=lambda one: one.turns) if in_order else runs:
        members.setdefault(name(run), []).append(run)
    few = [group for group, inside in members.items() if len(inside) < MIN_RUNS and not in_order]
    if len(few) > 1:
        members["others"] = [run for group in few for run in members.pop(group)]
    order = list(members) if in_order else sorted(members, key=lambda group: (-len(members[group]), group))
    return [_count(by, group, members[group]) for group in order] if len(members) > 1 else []


def _count(by: str, group: str, runs: Sequence[RunDiagnosis]) -> GroupDiagnosis:
    caught = [run for run in runs if run.failed and run.in_time]
    failed = sum(run.failed for run in runs)
    false_alarms = sum(not run.failed and run.alert_turn is not None for run in runs)
    return GroupDiagnosis(
        by,
        group,
        len(caught),
        failed - len(caught),
        false_alarms,
        len(runs) - failed - false_alarms,
        float(np.mean([run.alert_turn for run in caught])) if caught else None,
        float(np.mean([run.left for run in caught])) if caught else None,
    )


def _name_length(turns: int, edges: Sequence[int]) -> str:
    start = 0
    for edge in edges:
        if turns <= edge:
            return f"{start + 1} to {edge} turns" if edge > start + 1 else f"{edge} turns"
        start = edge
    return f"more than {start} turns"
