"""Scores a batch of log entries: at most one step of a run a round, so that a run's steps change its state in order,
each once.

Runs on a thread of its own: nothing here awaits, and nothing but its arguments is touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import orjson

from monitors.adapter.coverage import Coverage, filled_bits
from service.core.shadowing import FindMonitor, ShadowedRun, ShadowMemory, score_shadows
from service.errors import NotFound
from service.ports import LiveMonitor
from service.records import COUNTED, Entry, ParkedEntry, RunRef, RunSummary, ScoreRecord, ShadowSummary

if TYPE_CHECKING:
    from monitors.decision import Alert
    from monitors.monitor import Verdict
    from monitors.run_state import RunState
    from monitors.stepview import JsonValue

IsControl = Callable[[RunRef], bool]
"""Whether a run without a score is to be a control run."""
REASON_CHARS = 500
AFTER_A_DEATH = "a worker died while this run's step was scored, and the shadow may have been why"


def no_control(_: RunRef) -> bool:
    """No run is a control run."""
    return False


@dataclass(frozen=True, slots=True)
class RunMemory:
    """What a worker holds of a run between two steps. `state` is None before the first."""

    monitor_id: str
    state: RunState | None
    summary: RunSummary
    fault: str = ""
    """Why the run's steps cannot be scored at all (its stored state cannot be read), if so."""
    group: str = ""
    """Whose threshold its first state is to have; later states know."""
    shadow: ShadowMemory | None = None
    """Of the monitor that scores the run beside its own, if any."""


@dataclass(frozen=True, slots=True)
class OpenedAlert:
    """An alert episode that a step of this batch opened."""

    position: int
    alert: Alert
    state: RunState
    """The run's state before the step."""
    raw_step: JsonValue
    score_before: float | None
    """None for the run's first step."""


@dataclass(slots=True)
class ScoredRun:
    """What a batch did to one run. `scores` are consecutive from `first_position`."""

    memory: RunMemory
    first_position: int
    scores: list[ScoreRecord] = field(default_factory=list)
    warned: list[bool] = field(default_factory=list)
    """Of each score: whether the run was in an alert episode then, though nobody be told."""
    alerts: list[OpenedAlert] = field(default_factory=list)
    shadow_before: ShadowSummary | None = None
    """What the shadow had come to before the batch, where the batch moved it."""


@dataclass(slots=True)
class ScoredBatch:
    """What a batch came to."""

    runs: dict[RunRef, ScoredRun] = field(default_factory=dict)
    parked: list[ParkedEntry] = field(default_factory=list)
    known: dict[tuple[str, str, bool], int] = field(default_factory=dict)
    """Steps scored by (monitor, device, known to the adapter)."""
    coverage: dict[str, Coverage] = field(default_factory=dict)
    """What each monitor's adapter made of its steps."""


def score_batch(
    entries: Sequence[Entry],
    memories: Mapping[RunRef, RunMemory],
    find_monitor: FindMonitor,
    now_ms: int,
    is_control: IsControl = no_control,
    *,
    shadows: bool = True,
) -> ScoredBatch:
    """Score entries, each run's in the order given. `memories` holds every run of them. Raises nothing that an entry
    causes: it is parked. Without `shadows` the runs' shadows are dropped."""
    batch = ScoredBatch()
    rounds: list[list[Entry]] = []
    depth: dict[RunRef, int] = {}
    for entry in entries:
        level = depth.get(entry.ref, 0)
        memory = memories[entry.ref]
        # The commit moves cursor and summary together, so an entry before its run's next position can only be a
        # re-delivery.
        if entry.position < memory.summary.steps:
            continue
        depth[entry.ref] = level + 1
        if level == len(rounds):
            rounds.append([])
        rounds[level].append(entry)
        if level == 0:
            batch.runs[entry.ref] = ScoredRun(memory, entry.position)
    for group in rounds:
        by_monitor: dict[str, list[Entry]] = {}
        for entry in group:
            memory = batch.runs[entry.ref].memory
            if memory.fault:
                _park(batch, entry, memory.fault, now_ms)
            else:
                by_monitor.setdefault(memory.monitor_id, []).append(entry)
        for monitor_id, of_one in by_monitor.items():
            _score_round(batch, of_one, monitor_id, find_monitor, now_ms, is_control)
    _let_shadows_score(batch, rounds, find_monitor, shadows)
    return batch


def _let_shadows_score(batch: ScoredBatch, rounds: list[list[Entry]], find_monitor: FindMonitor, shadows: bool) -> None:
    shadowed: dict[RunRef, ShadowedRun] = {}
    for ref, run in batch.runs.items():
        shadow = run.memory.shadow
        if shadow is not None and shadow.is_scoring and not run.memory.fault:
            run.shadow_before = shadow.summary
            shadowed[ref] = ShadowedRun(shadow if shadows else shadow.drop(AFTER_A_DEATH), run.memory.group, [])
    if not shadowed:
        return
    for group in rounds:
        for entry in group:
            if entry.ref in shadowed:
                own = batch.runs[entry.ref]
                at = entry.position - own.first_position
                shadowed[entry.ref].steps.append((entry, own.scores[at], own.warned[at]))
    score_shadows(shadowed, find_monitor)
    for ref, one in shadowed.items():
        run = batch.runs[ref]
        run.memory = replace(run.memory, shadow=one.memory)


def _score_round(
    batch: ScoredBatch,
    entries: list[Entry],
    monitor_id: str,
    find_monitor: FindMonitor,
    now_ms: int,
    is_control: IsControl,
) -> None:
    try:
        monitor = find_monitor(monitor_id)
    except NotFound as error:
        for entry in entries:
            _park(batch, entry, str(error), now_ms)
        return
    try:
        _advance(batch, entries, monitor, now_ms, is_control)
    except Exception as error:  # noqa: BLE001 - one bad entry must not stop the others, whatever it does to the monitor
        if len(entries) == 1:
            _park(batch, entries[0], f"{type(error).__name__}: {error}", now_ms)
            return
        for entry in entries:
            _score_round(batch, [entry], monitor_id, find_monitor, now_ms, is_control)


def _advance(
    batch: ScoredBatch, entries: list[Entry], monitor: LiveMonitor, now_ms: int, is_control: IsControl
) -> None:
    raw_steps = [orjson.loads(entry.data) for entry in entries]
    memories = [batch.runs[entry.ref].memory for entry in entries]
    states = [memory.state or monitor.initial_state(memory.group) for memory in memories]
    results = monitor.advance(states, raw_steps)
    for _, verdict in results:
        if not (math.isfinite(verdict.score) and 0 <= verdict.risk <= 1 and 0 <= verdict.failure_probability <= 1):
            raise ArithmeticError(
                f"the monitor gave score {verdict.score}, risk {verdict.risk}, "
                f"failure probability {verdict.failure_probability}"
            )
    coverage = batch.coverage.setdefault(monitor.monitor_id, Coverage())
    for entry, raw_step, was, (state, verdict) in zip(entries, raw_steps, states, results, strict=True):
        coverage.add(verdict.view, verdict.case, verdict.known, verdict.truncated)
        run = batch.runs[entry.ref]
        before = run.memory.summary
        control = before.control if before.max_score is not None else is_control(entry.ref)
        summary = next_summary(before, entry.position, verdict, now_ms, control=control, rule=state.group)
        run.memory = RunMemory(monitor.monitor_id, state, summary, "", run.memory.group, run.memory.shadow)
        run.scores.append(
            ScoreRecord(
                verdict.turn,
                verdict.risk,
                verdict.failure_probability,
                verdict.score,
                verdict.symbol,
                entry.received_us // 1000,
                summary.warning,
                verdict.alert is not None and not control,
                verdict.known,
                False,
                verdict.alert is not None and control,
                verdict.new_tool,
                COUNTED | filled_bits(verdict.view) if verdict.case is not None or not verdict.known else 0,
            )
        )
        run.warned.append(verdict.state == "warning")
        if verdict.alert is not None:
            score_before = None if before.max_score is None else before.score
            run.alerts.append(OpenedAlert(entry.position, verdict.alert, was, raw_step, score_before))
        label = (monitor.monitor_id, monitor.device, verdict.known)
        batch.known[label] = batch.known.get(label, 0) + 1


def next_summary(
    before: RunSummary, position: int, verdict: Verdict, now_ms: int, *, control: bool = False, rule: int = 0
) -> RunSummary:
    """The run's summary after one more scored step. That of a control run knows of no warning and of no alert, so that
    nobody who reads it can tell them.
    """
    opened = verdict.alert is not None
    return RunSummary(
        steps=position + 1,
        turn=verdict.turn,
        risk=verdict.risk,
        failure_probability=verdict.failure_probability,
        score=verdict.score,
        max_risk=max(before.max_risk, verdict.risk),
        max_failure_probability=max(before.max_failure_probability, verdict.failure_probability),
        max_score=verdict.score if before.max_score is None else max(before.max_score, verdict.score),
        warning=verdict.state == "warning" and not control,
        alerts=before.alerts + (opened and not control),
        unknown=before.unknown + (not verdict.known),
        parked=before.parked,
        scored_ms=now_ms,
        hidden_alerts=before.hidden_alerts + (opened and control),
        control=control,
        rule=rule,
    )


def park(run: ScoredRun, entry: Entry, now_ms: int) -> None:
    """Count an entry that is set aside: its run goes on from the state before it."""
    was, state = run.memory.summary, run.memory.state
    run.warned.append(state is not None and state.standing.warning)
    values = {name: getattr(was, name) for name in RunSummary.__slots__}
    summary = RunSummary(**{**values, "steps": entry.position + 1, "parked": was.parked + 1, "scored_ms": now_ms})
    run.memory = replace(run.memory, summary=summary)
    run.scores.append(
        ScoreRecord(
            was.turn,
            was.risk,
            was.failure_probability,
            was.score,
            0,
            entry.received_us // 1000,
            was.warning,
            False,
            False,
            True,
        )
    )


def _park(batch: ScoredBatch, entry: Entry, reason: str, now_ms: int) -> None:
    park(batch.runs[entry.ref], entry, now_ms)
    batch.parked.append(ParkedEntry(entry, reason[:REASON_CHARS]))
