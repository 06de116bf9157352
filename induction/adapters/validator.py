"""The validator: decides, on runs that the proposer did not see, whether an adapter may be used."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from induction.adapters.describing import describe_selector
from induction.adapters.invariance import changed_views, stable_under_shuffling
from induction.adapters.unread import find_unread
from induction.reading.documents import Document
from induction.reading.runs import RawRun
from monitors.adapter.compiled import Adapter, compile_adapter
from monitors.adapter.pointers import is_present
from monitors.adapter.spec import AdapterSpec
from monitors.stepview import JsonValue, StepView, to_text

FIELDS = ("observation", "action", "tool", "args", "result", "status", "metadata")
MAX_COST_US = 5_000.0
MAX_TIMED = 2_000


@dataclass(frozen=True, slots=True)
class FieldReport:
    """One StepView field: the paths it is read from, the share of raw steps that fill it, and how many values
    it takes.
    """

    field: str
    paths: tuple[str, ...]
    fill: float
    distinct: int


@dataclass(frozen=True, slots=True)
class Example:
    """A raw step beside its StepView."""

    raw_step: JsonValue
    view: StepView


@dataclass(frozen=True, slots=True)
class Report:
    """What the validator found. `faults` make an adapter unusable; `warnings` are for a person to weigh.

    `known` is the share of raw steps that a case of the adapter reads, `turns` the median number of turns in a run,
    costs are microseconds per raw step, `matched` the share of outcomes whose run was found (None without outcomes),
    `unread` what raw steps hold and no field reads.
    """

    runs: int
    events: int
    turns: float
    known: float
    fields: tuple[FieldReport, ...]
    cost_p50_us: float
    cost_p99_us: float
    deterministic: bool
    stable: bool
    invariant: bool
    refused: tuple[str, ...]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    examples: tuple[Example, ...]
    matched: float | None = None
    unread: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the adapter may be used."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"ok": self.ok, **asdict(self)}


def validate_adapter(
    spec: AdapterSpec, runs: Sequence[RawRun], documents: Sequence[Document], refused: Sequence[str] = ()
) -> Report:
    """Return the report on an adapter. `documents` are whole files, for the proof of invariance."""
    adapter = compile_adapter(spec)
    views = [[adapter.view(event) for event in run.events] for run in runs]
    flat = [view for run_views in views for view, _ in run_views]
    turns = [sum(view.actions for view, _ in run_views) for run_views in views]
    known = sum(is_known for run_views in views for _, is_known in run_views) / max(1, len(flat))
    p50, p99 = _time_steps(adapter, runs)
    deterministic = all(
        compile_adapter(spec).view(event)[0] == view
        for run, run_views in zip(runs[:5], views[:5], strict=True)
        for event, (view, _) in zip(run.events, run_views, strict=True)
    )
    stable = stable_under_shuffling(adapter, runs[:20])
    changed = changed_views(spec, documents)
    fields = tuple(_report_field(spec, name, flat) for name in FIELDS)
    faults = _find_faults(turns, fields, deterministic, stable, changed, p50)
    warnings = _find_warnings(turns, known, fields)
    return Report(
        runs=len(runs),
        events=len(flat),
        turns=float(statistics.median(turns)) if turns else 0.0,
        known=known,
        fields=fields,
        cost_p50_us=p50,
        cost_p99_us=p99,
        deterministic=deterministic,
        stable=stable,
        invariant=not changed,
        refused=tuple(refused),
        faults=faults,
        warnings=warnings,
        examples=_choose_examples(adapter, runs),
        unread=find_unread(spec, runs),
    )


def _report_field(spec: AdapterSpec, name: str, views: Sequence[StepView]) -> FieldReport:
    paths = dict.fromkeys(
        describe_selector(selector) for case in spec.event.cases for selector in getattr(case.fields, name)
    )
    values = [value for view in views if is_present(value := getattr(view, name))]
    fill = len(values) / max(1, len(views))
    return FieldReport(name, tuple(paths), fill, len({to_text(value) for value in values}))


def _find_faults(
    turns: Sequence[int],
    fields: Sequence[FieldReport],
    deterministic: bool,
    stable: bool,
    changed: Sequence[str],
    cost_us: float,
) -> tuple[str, ...]:
    by_name = {field.field: field for field in fields}
    acting = by_name["action"].fill + by_name["tool"].fill
    checks = [
        (not turns, "no run to validate on"),
        (bool(turns) and sum(turn > 0 for turn in turns) < 0.5 * len(turns), "most runs have no agent action"),
        (bool(turns) and acting == 0, "no raw step has an action or a tool"),
        (not deterministic, "reading the same raw step twice gives two StepViews"),
        (not stable, "StepViews change when keys are shuffled or unknown fields are added"),
        (bool(changed), f"values outside the raw steps change StepViews: {'; '.join(changed[:3])}"),
        (cost_us > MAX_COST_US, f"a raw step costs {cost_us:.0f} µs, more than {MAX_COST_US:.0f}"),
    ]
    return tuple(message for failed, message in checks if failed)


def _find_warnings(turns: Sequence[int], known: float, fields: Sequence[FieldReport]) -> tuple[str, ...]:
    fills = {field.field: field.fill for field in fields}
    idle = sum(turn == 0 for turn in turns)
    checks = [
        (known < 0.95, f"{1 - known:.1%} of the raw steps fit no case"),
        (idle > 0, f"{idle} of {len(turns)} runs have no agent action"),
        (fills["tool"] == 0, "no tool calls were found: actions are text alone"),
        (fills["result"] + fills["observation"] == 0, "nothing that answers the agent was found"),
    ]
    return tuple(message for failed, message in checks if failed)


def _time_steps(adapter: Adapter, runs: Sequence[RawRun]) -> tuple[float, float]:
    events = [event for run in runs for event in run.events][:MAX_TIMED]
    costs = []
    for event in events:
        started = time.perf_counter_ns()
        adapter.view(event)
        costs.append((time.perf_counter_ns() - started) / 1_000)
    costs.sort()
    return (costs[len(costs) // 2], costs[min(len(costs) - 1, int(0.99 * len(costs)))]) if costs else (0.0, 0.0)


def _choose_examples(adapter: Adapter, runs: Sequence[RawRun]) -> tuple[Example, ...]:
    """One raw step of each case, of middling size, up to three."""
    by_case: dict[int, list[JsonValue]] = {}
    for run in runs[:20]:
        for event in run.events[:-1]:
            number = adapter.case_of(event)
            if number is not None:
                by_case.setdefault(number, []).append(event)
    chosen = []
    for _, events in sorted(by_case.items(), key=lambda item: (-len(item[1]), item[0]))[:3]:
        event = sorted(events, key=lambda one: len(to_text(one)))[len(events) // 2]
        chosen.append(Example(event, adapter.view(event)[0]))
    return tuple(chosen)
