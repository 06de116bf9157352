"""Scores runs by a second monitor, the shadow, beside their own: for comparison, without alerts.

A shadow has a state of its own for each run and takes every raw step that the run's own monitor takes, in the same
order; state and summary move with the run's commit. Whatever goes wrong with it concerns it alone: it is dropped for
that run, with the reason, and the run goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from service.errors import NotFound
from service.ports import LiveMonitor
from service.records import Entry, RunRef, ScoreRecord, ShadowSummary

if TYPE_CHECKING:
    from monitors.monitor import Verdict
    from monitors.run_state import RunState

REASON_CHARS = 200
COUNTS = (
    "runs",
    "steps",
    "alerts",
    "own_alerts",
    "compared",
    "only_shadow_warned",
    "only_own_warned",
    "difference",
    "absolute_difference",
    "dropped",
    "only_shadow_alerted",
    "only_own_alerted",
    "both_alerted",
)
"""What is counted of a shadow over runs. The last three count runs: whom either of the two alerted on so far."""

FindMonitor = Callable[[str], LiveMonitor]


@dataclass(frozen=True, slots=True)
class ShadowMemory:
    """What a worker holds of a run's shadow between two steps. `state` is None before the first."""

    monitor_id: str
    state: RunState | None
    summary: ShadowSummary

    @property
    def is_scoring(self) -> bool:
        """False once it was dropped."""
        return not self.summary.dropped

    def drop(self, reason: str) -> ShadowMemory:
        """The memory of a shadow that scores the run no longer."""
        return ShadowMemory(self.monitor_id, None, replace(self.summary, warning=False, dropped=reason[:REASON_CHARS]))


@dataclass(slots=True)
class ShadowedRun:
    """A run's steps of a batch for its shadow: each with what its own monitor made of it."""

    memory: ShadowMemory
    group: str
    steps: list[tuple[Entry, ScoreRecord, bool]]
    """The last: whether the run's own monitor had it in an alert episode, told or not."""


def score_shadows(runs: Mapping[RunRef, ShadowedRun], find_monitor: FindMonitor) -> None:
    """Move each run's memory over its steps, one step of a run a round. Raises nothing that a shadow causes."""
    level = 0
    while True:
        together: dict[str, list[ShadowedRun]] = {}
        for run in runs.values():
            if level < len(run.steps) and run.memory.is_scoring:
                together.setdefault(run.memory.monitor_id, []).append(run)
        if not together:
            return
        for monitor_id, own in together.items():
            _take_round(own, level, monitor_id, find_monitor)
        level += 1


def _take_round(runs: Sequence[ShadowedRun], level: int, monitor_id: str, find_monitor: FindMonitor) -> None:
    try:
        monitor = find_monitor(monitor_id)
    except NotFound as error:
        for run in runs:
            run.memory = run.memory.drop(str(error))
        return
    ready = []
    for run in runs:
        if run.steps[level][0].position == run.memory.summary.steps:
            ready.append(run)
        else:
            run.memory = run.memory.drop("it missed a step that was set aside")
    try:
        _advance(ready, level, monitor)
    except Exception as error:  # noqa: BLE001 - a shadow may fail at anything, and must cost nobody else their scores
        if len(ready) == 1:
            ready[0].memory = ready[0].memory.drop(f"{type(error).__name__}: {error}")
            return
        for run in ready:
            _take_round([run], level, monitor_id, find_monitor)


def _advance(runs: Sequence[ShadowedRun], level: int, monitor: LiveMonitor) -> None:
    if not runs:
        return
    raw_steps = [orjson.loads(run.steps[level][0].data) for run in runs]
    states = [run.memory.state or monitor.initial_state(run.group) for run in runs]
    results = monitor.advance(states, raw_steps)
    for _, verdict in results:
        if not (math.isfinite(verdict.score) and 0 <= verdict.risk <= 1 and 0 <= verdict.failure_probability <= 1):
            raise ArithmeticError(f"it gave score {verdict.score}, risk {verdict.risk}")
    for run, (state, verdict) in zip(runs, results, strict=True):
        summary = next_shadow_summary(run.memory.summary, *run.steps[level][1:], verdict)
        run.memory = ShadowMemory(run.memory.monitor_id, state, summary)


def next_shadow_summary(before: ShadowSummary, own: ScoreRecord, own_warns: bool, verdict: Verdict) -> ShadowSummary:
    """The shadow's summary after one more step, whose score by the run's own monitor is `own`. A control run's episodes
    count like any other's (`own_warns`): a shadow tells nobody of its own either.
    """
    warns = verdict.state == "warning"
    difference = 0.0 if own.parked else verdict.failure_probability - own.failure_probability
    return ShadowSummary(
        steps=before.steps + 1,
        alerts=before.alerts + (verdict.alert is not None),
        own_alerts=before.own_alerts + (own.alert or own.hidden_alert),
        compared=before.compared + (not own.parked),
        only_shadow_warned=before.only_shadow_warned + (warns and not own_warns),
        only_own_warned=before.only_own_warned + (own_warns and not warns),
        warning=warns,
        risk=verdict.risk,
        failure_probability=verdict.failure_probability,
        score=verdict.score,
        max_failure_probability=max(before.max_failure_probability, verdict.failure_probability),
        difference=before.difference + difference,
        absolute_difference=before.absolute_difference + abs(difference),
    )


def count_changes(before: ShadowSummary, after: ShadowSummary) -> dict[str, float]:
    """How much a batch adds to each of COUNTS that it changes, for one run."""
    changes: dict[str, float] = {
        name: getattr(after, name) - getattr(before, name)
        for name in COUNTS
        if name not in {"runs", "dropped", "only_shadow_alerted", "only_own_alerted", "both_alerted"}
    }
    changes["runs"] = (after != ShadowSummary()) - (before != ShadowSummary())
    changes["dropped"] = bool(after.dropped) - bool(before.dropped)
    for name in ("only_shadow_alerted", "only_own_alerted", "both_alerted"):
        changes[name] = (alerted_by(after) == name) - (alerted_by(before) == name)
    return {name: change for name, change in changes.items() if change}


def alerted_by(summary: ShadowSummary) -> str:
    """Which count of alerted runs the run belongs to; "" for none. While the shadow scores alone: a run that it was
    dropped from stays where it was."""
    if summary.alerts and summary.own_alerts:
        return "both_alerted"
    return "only_shadow_alerted" if summary.alerts else ("only_own_alerted" if summary.own_alerts else "")


def add_counts(
    counts: dict[tuple[str, str, str], float], ref: RunRef, memory: ShadowMemory, before: ShadowSummary
) -> None:
    """Add a run's changes to a partition's counts."""
    for name, change in count_changes(before, memory.summary).items():
        key = (ref.project, memory.monitor_id, name)
        counts[key] = counts.get(key, 0) + change
