"""Drift: whether an adapter still fits the raw steps of today.

A raw step *fits* if a case of the adapter knows it and no field that the case reads is lost. A field is *lost*

- without a baseline: if none of at least 100 raw steps that the field is read from, by the same paths, fill it;
- with a baseline (raw runs that the adapter is known to fit): if the baseline's fill rate lets at least 30 raw steps
  of today expect it, and fewer than half of those have it.

Cases that read a field by the same paths are counted together: one of them may be there for raw steps that leave it
empty. Status and metadata may well be absent for a day, so that without a baseline they are never lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from induction.adapters.costing import Cost, Stopwatch
from induction.reading.files import ReadFault
from induction.reading.runs import read_runs
from monitors.adapter.bounded import bound_text
from monitors.adapter.compiled import compile_adapter
from monitors.adapter.coverage import FIELDS, Coverage
from monitors.adapter.pointers import is_present
from monitors.adapter.spec import AdapterSpec, Selector
from monitors.stepview import JsonValue, StepView

SURE_FIELDS = ("observation", "action", "tool", "args", "result")
MIN_UNFILLED = 100
MIN_EXPECTED = 30
MAX_SHAPES = 1_000
SHOWN_SHAPES = 5


@dataclass(frozen=True, slots=True)
class CaseFit:
    """One case today: how many raw steps it read, how many of them fit, and each field's fill rate in them (a share,
    0 … 1), beside the baseline's where there is one. `lost` names fields that went missing.
    """

    number: int
    when: dict[str, list[Any]]
    steps: int
    fitting: int
    fills: dict[str, float]
    baseline_fills: dict[str, float] | None
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """How far an adapter fits: shares of raw steps, 0 … 1, and what does not fit.

    `truncated` is the share of which a limit of the adapter cut something off; `unknown_shapes` are the commonest raw
    steps that no case knows, as their keys, with counts; `skipped` names files in which no run could be read;
    `counters` are today's counts under the names that the service exports them by.
    """

    runs: int
    steps: int
    known: float
    fitting: float
    truncated: float
    fills: dict[str, float]
    cases: tuple[CaseFit, ...]
    unknown_shapes: tuple[tuple[str, int], ...]
    skipped: tuple[ReadFault, ...]
    cost: Cost
    counters: dict[str, dict[str, int] | int]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return {**asdict(self), "skipped": [str(fault) for fault in self.skipped]}


def check_adapter(
    raw: Path,
    spec: AdapterSpec,
    baseline: Path | None = None,
    *,
    on_file: Callable[[int, int], None] | None = None,
) -> Fit:
    """Return how far an adapter fits RAW. No raw step at all is a fit of 0.

    Raises UnreadableRawError if RAW, or the baseline, cannot be read.
    """
    then = _count(baseline, spec, on_file) if baseline is not None else None
    today = _count(raw, spec, on_file)
    lost = _find_lost(spec, today, then)
    cases = tuple(_judge_case(number, spec, lost, today, then) for number in range(len(spec.event.cases)))
    coverage = today.coverage
    total = max(1, coverage.steps)
    return Fit(
        runs=today.runs,
        steps=coverage.steps,
        known=coverage.known,
        fitting=sum(case.fitting for case in cases) / total,
        truncated=coverage.truncated / total,
        fills=coverage.fills,
        cases=cases,
        unknown_shapes=tuple(today.shapes.most_common(SHOWN_SHAPES)),
        skipped=tuple(today.faults),
        cost=today.stopwatch.cost(),
        counters=coverage.to_counters(),
    )


@dataclass(slots=True)
class _Tally:
    steps: int = 0
    filled: Counter[str] = field(default_factory=Counter)

    def add(self, view: StepView) -> None:
        self.steps += 1
        self.filled.update(name for name in FIELDS if is_present(getattr(view, name)))


@dataclass(slots=True)
class _Count:
    cases: list[_Tally]
    stopwatch: Stopwatch
    coverage: Coverage = field(default_factory=Coverage)
    runs: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    faults: list[ReadFault] = field(default_factory=list)


def _count(raw: Path, spec: AdapterSpec, on_file: Callable[[int, int], None] | None) -> _Count:
    count = _Count([_Tally() for _ in spec.event.cases], Stopwatch(compile_adapter(spec)))
    for run in read_runs(raw, spec, on_fault=count.faults.append, on_file=on_file):
        count.runs += 1
        for raw_step in run.events:
            _count_step(count, raw_step)
    return count


def _count_step(count: _Count, raw_step: JsonValue) -> None:
    reading = count.stopwatch.read(raw_step)
    count.coverage.add_reading(reading)
    if reading.case is not None:
        count.cases[reading.case].add(reading.view)
    if reading.known:
        return
    shape = _shape(raw_step)
    if shape in count.shapes or len(count.shapes) < MAX_SHAPES:
        count.shapes[shape] += 1


def _judge_case(
    number: int, spec: AdapterSpec, lost: dict[int, list[str]], today: _Count, then: _Count | None
) -> CaseFit:
    case, tally = spec.event.cases[number], today.cases[number]
    read = [name for name in FIELDS if getattr(case.fields, name)]
    return CaseFit(
        number=number,
        when=dict(case.when),
        steps=tally.steps,
        fitting=0 if number in lost else tally.steps,
        fills=_fills(tally, read),
        baseline_fills=_fills(then.cases[number], read) if then is not None else None,
        lost=tuple(lost.get(number, ())),
    )


def _find_lost(spec: AdapterSpec, today: _Count, then: _Count | None) -> dict[int, list[str]]:
    """Return the fields that each case has lost."""
    readers: dict[tuple[str, str], list[int]] = {}
    for number, case in enumerate(spec.event.cases):
        for name in FIELDS:
            if getattr(case.fields, name):
                readers.setdefault((name, _paths(getattr(case.fields, name))), []).append(number)
    lost: dict[int, list[str]] = {}
    for (name, _), numbers in readers.items():
        steps, filled = _pool(today, numbers, name)
        if then is None:
            is_lost = name in SURE_FIELDS and steps >= MIN_UNFILLED and filled == 0
        else:
            steps_then, filled_then = _pool(then, numbers, name)
            expected = steps * filled_then / max(1, steps_then)
            is_lost = expected >= MIN_EXPECTED and filled < 0.5 * expected
        for number in numbers if is_lost else ():
            lost.setdefault(number, []).append(name)
    return lost


def _paths(selectors: tuple[Selector, ...]) -> str:
    return " ".join(selector.model_dump_json() for selector in selectors)


def _pool(count: _Count, numbers: list[int], name: str) -> tuple[int, int]:
    tallies = [count.cases[number] for number in numbers]
    return sum(tally.steps for tally in tallies), sum(tally.filled[name] for tally in tallies)


def _fills(tally: _Tally, names: list[str]) -> dict[str, float]:
    return {name: tally.filled[name] / max(1, tally.steps) for name in names}


def _shape(raw_step: JsonValue) -> str:
    """Return what a raw step looks like: its keys, sorted, or the start of its text."""
    if isinstance(raw_step, dict):
        return bound_text("{" + ", ".join(sorted(str(key) for key in raw_step)[:20]) + "}", 300)
    if isinstance(raw_step, str):
        return bound_text(f"text that starts {raw_step.strip()[:40]!r}", 300)
    return f"a bare {type(raw_step).__name__}"
