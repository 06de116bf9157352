"""An adapter in words that a person can check at a glance: plain values, ready for a table or for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from monitors.adapter.spec import AdapterSpec, Conditions, Fields, Outcome, Selector
from monitors.stepview import to_text

TOLD = ("container", "runs", "events", "group_by", "order_by", "start", "run_id", "task_id", "outcome")


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """One case: the raw steps that it reads, whether the agent acts in them, and where each field is read from."""

    when: str
    acts: bool
    fields: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Summary:
    """What an adapter reads. `source`, `status` and `cuts` are lines for people; `otherwise` is what raw steps that
    no case knows still give.
    """

    name: str
    event_unit: str
    source: tuple[str, ...]
    cases: tuple[CaseSummary, ...]
    otherwise: dict[str, tuple[str, ...]]
    status: tuple[str, ...]
    cuts: tuple[str, ...]
    limits: str


def summarise(spec: AdapterSpec) -> Summary:
    """Return the summary of an adapter."""
    limits = spec.limits
    return Summary(
        name=spec.name,
        event_unit=describe_event_unit(spec),
        source=tuple(_source_lines(spec)),
        cases=tuple(
            CaseSummary(describe_conditions(case.when), case.acts, _field_paths(case.fields))
            for case in spec.event.cases
        ),
        otherwise=_field_paths(spec.event.otherwise),
        status=tuple(_status_lines(spec)),
        cuts=tuple(
            f"{cut.field}: "
            + (f"dropped where it holds {cut.literal!r}" if cut.whole else f"cut from {cut.literal!r} on")
            + (f", dropped where it starts with none of {', '.join(map(repr, cut.unless))}" if cut.unless else "")
            for cut in spec.cuts
        ),
        limits=(
            f"depth {limits.max_depth}, {limits.max_text_chars} characters a field, {limits.max_items} items a list, "
            f"{limits.max_values} values a field"
        ),
    )


def describe_event_unit(spec: AdapterSpec) -> str:
    """Return what one raw step is: the unit that a live agent posts."""
    event, blocks = spec.event, spec.event.blocks
    if event.unit == "json":
        decoded = f", JSON inside {', '.join(event.decode)} parsed" if event.decode else ""
        sections = f", a text read by its sections at {_quoted(blocks.opens)}" if blocks is not None else ""
        return f"one JSON value{decoded}{sections}"
    assert blocks is not None
    leads = "".join(f", {literal!r} goes on with {_quoted(after)}" for literal, after in blocks.leads.items())
    ends = ", and ends at a blank line" if blocks.ends_at_blank_line else ""
    return f"a block of text that starts with one of {_quoted(blocks.opens)}{leads}{ends}"


def describe_conditions(conditions: Conditions) -> str:
    """Return conditions as one line: which pointers must be there, or have which values."""
    if not conditions:
        return "every raw step"
    return " and ".join(
        f"{pointer or 'the value'} is {' or '.join(_shown(value) for value in values)}"
        if values
        else f"{pointer or 'the value'} is there"
        for pointer, values in conditions.items()
    )


def describe_selector(selector: Selector) -> str:
    """Return where a selector reads and what it takes."""
    parts = [selector.path or "the whole raw step"]
    if selector.where:
        parts.append(f"where {describe_conditions(selector.where)}")
    if selector.template is not None:
        parts.append(f"as {selector.template}, its {selector.take}")
    if selector.only is not None:
        parts.append(f"if it is {selector.only}")
    if selector.decode is not None:
        parts.append("decoded")
    if selector.name is not None:
        parts.append(f"named {selector.name}")
    return " ".join(parts)


def _field_paths(fields: Fields) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(describe_selector(selector) for selector in getattr(fields, name))
        for name in Fields.model_fields
        if getattr(fields, name)
    }


def _source_lines(spec: AdapterSpec) -> list[str]:
    source = spec.source
    pointers: list[tuple[str, Any]] = [
        ("grouped by", source.group_by),
        ("ordered by", source.order_by),
        ("run id at", source.run_id),
        ("task at", source.task_id),
        ("time at", spec.event.time),
    ]
    return [
        f"container {source.container}",
        f"runs at {_alternatives(source.runs, 'the whole file')}",
        f"raw steps at {_alternatives(source.events, 'the run itself')}",
        *(f"{label} {pointer}" for label, pointer in pointers if pointer is not None),
        *([f"known at the start: {', '.join(source.start)}"] if source.start else []),
        *([_describe_outcome(source.outcome)] if source.outcome is not None else []),
        *_rest(source, TOLD),
    ]


def _rest(part: BaseModel, told: tuple[str, ...]) -> list[str]:
    """Whatever else is set, as the document says it: a setting that no sentence is written for must not be hidden."""
    values = part.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return [f"{name.replace('_', ' ')}: {to_text(value)}" for name, value in values.items() if name not in told]


def _describe_outcome(outcome: Outcome) -> str:
    wanted = (
        f"at least {outcome.at_least:g}"
        if outcome.at_least is not None
        else " or ".join(_shown(value) for value in outcome.equals or ())
    )
    return f"outcome at {outcome.path}, success is {wanted} (read for training only)"


def _status_lines(spec: AdapterSpec) -> list[str]:
    status = spec.status
    return [
        *(f"error if {describe_conditions({pointer: values})}" for pointer, values in status.error_if.items()),
        *([f"error if the result holds {_quoted(status.error_text)}"] if status.error_text else []),
        *(["ok if there is a result and no sign of error"] if status.ok_if_result else []),
    ]


def _alternatives(pointers: tuple[str, ...], empty: str) -> str:
    return ", else ".join(pointer or empty for pointer in pointers)


def _quoted(literals: tuple[str, ...]) -> str:
    return ", ".join(repr(literal) for literal in literals)


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else to_text(value) or "null"
