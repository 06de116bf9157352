"""An adapter ready to run: a spec compiled to plain closures. Total (never raises on data), deterministic, linear in
the step's size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from monitors.adapter.blocks import read_block
from monitors.adapter.bounded import Bounds
from monitors.adapter.pointers import compile_conditions, compile_pointer, is_present, iter_items, split_pointer
from monitors.adapter.spec import AdapterSpec, Case, Cut, Fields, Limits, Selector
from monitors.adapter.tags import with_tags
from monitors.adapter.template import match_template, parse_template
from monitors.adapter.unfolding import unfold
from monitors.stepview import JsonValue, StepView, to_text

CUT_FIELDS = ("observation", "action", "args", "result")
Read = Callable[[JsonValue, Bounds], list[JsonValue]]

DECODED_TEXTS = 16
"""A string that `event.decode` parses may hold a whole list of messages: it may be this many texts long."""
MAX_TOOL_CHARS = 400
MAX_STATUS_CHARS = 40
MAX_METADATA_CHARS = 200


@dataclass(frozen=True, slots=True)
class _CompiledFields:
    metadata: tuple[tuple[str, Read], ...]
    observation: tuple[Read, ...]
    action: tuple[Read, ...]
    tool: tuple[Read, ...]
    args: tuple[Read, ...]
    result: tuple[Read, ...]
    status: tuple[Read, ...]


@dataclass(frozen=True, slots=True)
class _CompiledCase:
    tests: tuple[Callable[[JsonValue], bool], ...]
    acts: bool
    fields: _CompiledFields


@dataclass(frozen=True, slots=True)
class Reading:
    """One raw step read. `case` is the number of the case that read it, None for an unknown shape and for the start of
    a run, of which only the latter is `known`; `truncated` says that a limit of the spec cut something off.
    """

    view: StepView
    case: int | None
    known: bool
    truncated: bool


class Adapter:
    """Reads one raw step into one StepView. Stateless: a step is read from its own event alone."""

    def __init__(self, spec: AdapterSpec) -> None:
        limits = spec.limits
        self.spec = spec
        self._limits = limits
        self._blocks = spec.event.blocks
        self._decode = tuple(split_pointer(pointer) for pointer in spec.event.decode)
        self._unfold = tuple(split_pointer(pointer) for pointer in spec.event.unfold)
        self._tags = tuple((split_pointer(pointer), tags) for pointer, tags in spec.event.tags.items() if pointer)
        self._cases = tuple(_compile_case(case, limits) for case in spec.event.cases)
        self._otherwise = _compile_fields(spec.event.otherwise, limits)
        self._errors = tuple(compile_conditions(spec.status.error_if, limits.max_items))
        self._cuts = {name: tuple(cut for cut in spec.cuts if cut.field == name) for name in CUT_FIELDS}
        self._error_texts = tuple(text.lower() for text in spec.status.error_text)
        self._ok_if_result = spec.status.ok_if_result

    def view(self, raw_step: JsonValue) -> tuple[StepView, bool]:
        """Return the StepView of a raw step, and whether a case of the spec knew it.

        An unknown shape gives what `otherwise` finds, `False`, and no action. Never raises, whatever the raw step
        holds.
        """
        reading = self.read(raw_step)
        return reading.view, reading.known

    def read(self, raw_step: JsonValue) -> Reading:
        """Return the StepView of a raw step as `view` does, with what is to be counted of it."""
        bounds = Bounds(self._limits)
        step = self._to_object(raw_step, bounds)
        if isinstance(step, dict) and len(step) == 1 and isinstance(step.get("start"), dict):
            view = StepView(observation=self._text(list(step["start"].values()), bounds))
            return Reading(view, None, True, bounds.truncated)
        number = self._find_case(step)
        if number is None:
            return Reading(self._read(step, self._otherwise, False, bounds), None, False, bounds.truncated)
        case = self._cases[number]
        return Reading(self._read(step, case.fields, case.acts, bounds), number, True, bounds.truncated)

    def case_of(self, raw_step: JsonValue) -> int | None:
        """Return the number of the case that reads a raw step, or None where none knows it."""
        return self._find_case(self._to_object(raw_step, Bounds(self._limits)))

    def _find_case(self, step: JsonValue) -> int | None:
        for number, case in enumerate(self._cases):
            for test in case.tests:
                if not test(step):
                    break
            else:
                return number
        return None

    def _to_object(self, raw_step: JsonValue, bounds: Bounds) -> JsonValue:
        if self._blocks is not None and isinstance(raw_step, str):
            # Four fields of bounded text are read from a block; more of it is never looked at.
            looked_at = 4 * self._limits.max_text_chars
            if len(raw_step) > looked_at:
                bounds.truncated = True
                raw_step = raw_step[:looked_at]
            raw_step = {**read_block(raw_step, self._blocks)}
        for segments in self._decode:
            raw_step = _decode_at(raw_step, segments, DECODED_TEXTS * self._limits.max_text_chars)
        for segments in self._unfold:
            raw_step = _unfold_at(raw_step, segments)
        for segments, tags in self._tags:
            raw_step = with_tags(raw_step, segments, tags, self._limits.max_text_chars)
        return raw_step

    def _read(self, step: JsonValue, fields: _CompiledFields, acts: bool, bounds: Bounds) -> StepView:
        tools = _texts(_gather(fields.tool, step, bounds), bounds) if fields.tool else []
        args = _gather(fields.args, step, bounds) if fields.args else []
        result = self._value(_gather(fields.result, step, bounds), "result", bounds) if fields.result else None
        # One name may stand for several calls, which then differ in their arguments alone.
        calls = max(len(tools), sum(value is not None for value in args))
        return StepView(
            metadata=self._metadata(fields.metadata, step),
            observation=self._cut_text(fields.observation, step, "observation", bounds) if fields.observation else "",
            action=self._cut_text(fields.action, step, "action", bounds) if fields.action else "",
            tool=bounds.text(" ".join(tools), MAX_TOOL_CHARS) if tools else "",
            args=self._value(args, "args", bounds) if args else None,
            result=result,
            status=self._status(step, fields, result),
            actions=max(1, calls) if acts else 0,
        )

    def _metadata(self, reads: tuple[tuple[str, Read], ...], step: JsonValue) -> dict[str, str]:
        if not reads:
            return {}
        # Labels for people: one cut short is no loss that anybody would count.
        uncounted = Bounds(self._limits)
        named = ((name, read(step, uncounted)) for name, read in reads)
        return {name: self._text(values, uncounted)[:MAX_METADATA_CHARS] for name, values in named if values}

    def _status(self, step: JsonValue, fields: _CompiledFields, result: JsonValue) -> str:
        for test in self._errors:
            if test(step):
                return "error"
        answered = is_present(result)
        if answered and self._error_texts:
            text = to_text(result).lower()
            for sign in self._error_texts:
                if sign in text:
                    return "error"
        if fields.status:
            uncounted = Bounds(self._limits)
            stated = self._text(_gather(fields.status, step, uncounted), uncounted).strip().lower()
            if stated:
                return stated[:MAX_STATUS_CHARS]
        return "ok" if self._ok_if_result and answered else ""

    def _text(self, values: list[JsonValue], bounds: Bounds) -> str:
        max_chars = self._limits.max_text_chars
        if len(values) == 1 and isinstance(values[0], str):
            return bounds.text(values[0], max_chars)
        return bounds.text("\n".join(_texts(values, bounds)), max_chars)

    def _cut_text(self, reads: tuple[Read, ...], step: JsonValue, field: str, bounds: Bounds) -> str:
        text = self._text(_gather(reads, step, bounds), bounds)
        for cut in self._cuts[field]:
            text = _apply_cut(text, cut)
        return text

    def _value(self, values: list[JsonValue], field: str, bounds: Bounds) -> JsonValue:
        kept = [self._cut_value(bounds.value(value), field) for value in values if value is not None]
        if all(value == "" for value in kept):
            return None
        return kept[0] if len(kept) == 1 else kept

    def _cut_value(self, value: JsonValue, field: str) -> JsonValue:
        """Objects and lists are cut in each of their texts; they are bounded copies by now."""
        cuts = self._cuts[field]
        if not cuts:
            return value
        if isinstance(value, str):
            for cut in cuts:
                value = _apply_cut(value, cut)
            return value
        if isinstance(value, dict):
            return {key: self._cut_value(item, field) for key, item in value.items()}
        if isinstance(value, list):
            return [self._cut_value(item, field) for item in value]
        return value


def compile_adapter(spec: AdapterSpec) -> Adapter:
    """Return the adapter that a spec describes."""
    return Adapter(spec)


def _apply_cut(text: str, cut: Cut) -> str:
    if cut.unless and text.strip() and text.split(maxsplit=1)[0] not in cut.unless:
        return ""
    found = text.find(cut.literal)
    if found < 0:
        return text
    return "" if cut.whole else text[:found].rstrip()


def _gather(reads: tuple[Read, ...], step: JsonValue, bounds: Bounds) -> list[JsonValue]:
    if len(reads) == 1:
        return reads[0](step, bounds)
    return [value for read in reads for value in read(step, bounds)]


def _texts(values: list[JsonValue], bounds: Bounds) -> list[str]:
    return [text for text in (to_text(bounds.value(value)) for value in values) if text]


def _compile_case(case: Case, limits: Limits) -> _CompiledCase:
    return _CompiledCase(
        tuple(compile_conditions(case.when, limits.max_items)), case.acts, _compile_fields(case.fields, limits)
    )


def _compile_fields(fields: Fields, limits: Limits) -> _CompiledFields:
    def compiled(selectors: tuple[Selector, ...]) -> tuple[Read, ...]:
        return tuple(_compile_selector(selector, limits) for selector in selectors)

    return _CompiledFields(
        metadata=tuple((s.name or s.path.rsplit("/", 1)[-1], _compile_selector(s, limits)) for s in fields.metadata),
        observation=compiled(fields.observation),
        action=compiled(fields.action),
        tool=compiled(fields.tool),
        args=compiled(fields.args),
        result=compiled(fields.result),
        status=compiled(fields.status),
    )


def _compile_selector(selector: Selector, limits: Limits) -> Read:
    read: Read = compile_pointer(selector.path, limits.max_items)
    if selector.where is not None:
        read = _filtered(selector.path, selector.where, limits)
    if selector.entry is not None:
        entry = selector.entry
        read = _mapped(read, lambda value: _entry_of(value, entry))
    if selector.only == "text":
        read = _texts_only(read)
    if selector.template is not None and selector.take is not None:
        read = _mapped(read, _compile_template(selector.template, selector.take))
    if selector.decode == "json":
        read = _mapped(read, lambda value: _decode_json(value, limits.max_text_chars))
    return read


def _compile_template(template: str, take: str) -> Callable[[JsonValue], JsonValue]:
    literals, names = parse_template(template)

    def taken(value: JsonValue) -> JsonValue:
        parts = match_template(literals, names, value) if isinstance(value, str) else None
        return None if parts is None else parts[take]

    return taken


def _mapped(read: Read, change: Callable[[JsonValue], JsonValue]) -> Read:
    return lambda step, bounds: [change(value) for value in read(step, bounds)]


def _texts_only(read: Read) -> Read:
    return lambda step, bounds: [value for value in read(step, bounds) if isinstance(value, str)]


def _filtered(path: str, where: dict[str, list[Any]], limits: Limits) -> Read:
    items, rest = iter_items(path, limits.max_items)
    tests = tuple(compile_conditions(where, limits.max_items))
    inside = compile_pointer(rest, limits.max_items)
    return lambda step, bounds: [
        value for item in items(step, bounds) if all(test(item) for test in tests) for value in inside(item, bounds)
    ]


def _decode_at(value: JsonValue, segments: tuple[str, ...], max_chars: int) -> JsonValue:
    """Return a copy in which the string at a path of keys is the JSON it holds, or the value where there is none."""
    if not segments:
        return _decode_json(value, max_chars)
    if not isinstance(value, dict) or segments[0] not in value:
        return value
    return {**value, segments[0]: _decode_at(value[segments[0]], segments[1:], max_chars)}


def _unfold_at(value: JsonValue, segments: tuple[str, ...]) -> JsonValue:
    if not segments:
        return unfold(value)
    if not isinstance(value, dict) or segments[0] not in value:
        return value
    return {**value, segments[0]: _unfold_at(value[segments[0]], segments[1:])}


def _entry_of(value: JsonValue, part: str) -> JsonValue:
    """Return the key or the value of an object's only entry that is not null, None where it has another number."""
    filled = [key for key, item in value.items() if item is not None][:2] if isinstance(value, dict) else []
    if len(filled) != 1 or not isinstance(value, dict):
        return None
    return filled[0] if part == "key" else value[filled[0]]


def _decode_json(value: JsonValue, max_chars: int) -> JsonValue:
    if not isinstance(value, str) or len(value) > max_chars:
        return value
    try:
        decoded: JsonValue = orjson.loads(value)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return value
    return decoded
