"""A model's answer as a spec: text in, a spec or its faults out. Nothing of the answer is used in any other way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from monitors.adapter.pointers import split_pointer
from monitors.adapter.spec import AdapterSpec, Event, Fields, parse_spec
from monitors.errors import AdapterError, Fault
from monitors.stepview import JsonValue

MAX_CHARS = 200_000
MAX_DEPTH = 24
MAX_CASES = 128
MAX_SELECTORS = 1_024
MAX_LITERALS = 64
MAX_STARS = 3


def parse_answer(text: str) -> AdapterSpec:
    """Return the spec that an answer holds: the text itself, a fenced block in it, or what stands between its first
    and last brace.

    Raises AdapterError with every fault, also for a spec that is valid and far larger than any format needs.
    """
    raw_spec = next(_read_objects(text[:MAX_CHARS]), None)
    if raw_spec is None:
        raise AdapterError("the answer", [Fault("", "holds no JSON object")])
    if not _is_shallow(raw_spec, MAX_DEPTH):
        raise AdapterError("the answer", [Fault("", f"is nested more than {MAX_DEPTH} levels deep")])
    spec = parse_spec(raw_spec, "the answer")
    excess = list(_find_excess(spec))
    if excess:
        raise AdapterError("the answer", excess)
    return spec


def _read_objects(text: str) -> Iterator[dict[str, Any]]:
    # Models that think aloud put their thoughts first.
    text = text.rpartition("</think>")[2].strip()
    fenced = [part.partition("\n")[2] for part in text.split("```")[1::2]]
    for candidate in (text, *reversed(fenced), text[text.find("{") : text.rfind("}") + 1]):
        try:
            value = orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict):
            yield value


def _is_shallow(value: JsonValue, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    items = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_shallow(item, depth - 1) for item in items)


def _find_excess(spec: AdapterSpec) -> Iterator[Fault]:
    """A spec may be any size where a person wrote it; one that a model wrote must not keep the validator busy."""
    event = spec.event
    selectors = list(_selectors(event))
    literals = max(len(event.blocks.opens) if event.blocks is not None else 0, len(spec.status.error_text))
    stars = max((split_pointer(pointer).count("*") for pointer in _pointers(spec)), default=0)
    bounds = (
        ("event.cases", len(event.cases), MAX_CASES, "cases"),
        ("event.cases", len(selectors), MAX_SELECTORS, "selectors"),
        ("event.decode", len(event.decode), 16, "pointers"),
        ("source", len(spec.source.runs) + len(spec.source.events), 32, "alternatives"),
        ("cuts", len(spec.cuts), MAX_LITERALS, "cuts"),
        ("status.error_if", len(spec.status.error_if), MAX_LITERALS, "conditions"),
        ("", literals, MAX_LITERALS, "literals in one list"),
        ("", stars, MAX_STARS, "times '*' in one pointer"),
    )
    for path, count, most, what in bounds:
        if count > most:
            yield Fault(path, f"has {count} {what}, more than {most}")


def _selectors(event: Event) -> Iterator[Any]:
    for fields in (*(case.fields for case in event.cases), event.otherwise):
        for name in Fields.model_fields:
            yield from getattr(fields, name)


def _pointers(spec: AdapterSpec) -> Iterator[str]:
    yield from (*spec.source.runs, *spec.source.events, *spec.status.error_if)
    for case in spec.event.cases:
        yield from case.when
    for selector in _selectors(spec.event):
        yield from (selector.path, *(selector.where or ()))
