"""An adapter ready to run: a spec compiled to plain closures. Total (never raises on data), deterministic, linear in
the step's size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from monitors.adapter.blocks import read_block
from monitors.adapter.bounded import bound_text, bound_value
from monitors.adapter.pointers import compile_conditions, compile_pointer, is_present, iter_items, split_pointer
from monitors.adapter.spec import AdapterSpec, Case, Cut, Fields, Limits, Selector
from monitors.adapter.template import match_template, parse_template
from monitors.stepview import JsonValue, StepView, to_text

Read = Callable[[JsonValue], list[JsonValue]]

DECODED_TEXTS = 16
"""A string that `event.decode` parses may hold a whole list of messages: it may be this many texts long."""


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


class Adapter:
    """Reads one raw step into one StepView. Stateless: a step is read from its own event alone."""

    def __init__(self, spec: AdapterSpec) -> None:
        limits = spec.limits
        self.spec = spec
        self._limits = limits
        self._blocks = spec.event.blocks
        self._decode = tuple(split_pointer(pointer) for pointer in spec.event.decode)
        self._cases = tuple(_compile_case(case, limits) for case in spec.event.cases)
        self._otherwise = _compile_fields(spec.event.otherwise, limits)
        self._errors = tuple(compile_conditions(spec.status.error_if, limits.max_items))
        self._cut_fields = frozenset(cut.field for cut in spec.cuts)
        self._error_texts = tuple(text.lower() for text in spec.status.error_text)

    def view(self, raw_step: JsonValue) -> tuple[StepView, bool]:
        """Return the StepView of a raw step, and whether a case of the spec knew it.

        An unknown shape gives what `otherwise` finds, `False`, and no action. Never raises, whatever the raw step
        holds.
        """
        step = self._to_object(raw_step)
        if isinstance(step, dict) and len(step) == 1 and isinstance(step.get("start"), dict):
            return StepView(observation=self._text([step["start"][key] for key in step["start"]])), True
        number = self._find_case(step)
        if number is None:
            return self._read(step, self._otherwise, False), False
        case = self._cases[number]
        return self._read(step, case.fields, case.acts), True

    def case_of(self, raw_step: JsonValue) -> int | None:
        """Return the number of the case that reads a raw step, or None where none knows it."""
        return self._find_case(self._to_object(raw_step))

    def _find_case(self, step: JsonValue) -> int | None:
        for number, case in enumerate(self._cases):
            if all(test(step) for test in case.tests):
                return number
        return None

    def _to_object(self, raw_step: JsonValue) -> JsonValue:
        if self._blocks is not None and isinstance(raw_step, str):
            # Four fields of bounded text are read from a block; more of it is never looked at.
            raw_step = {**read_block(raw_step[: 4 * self._limits.max_text_chars], self._blocks)}
        for segments in self._decode:
            raw_step = _decode_at(raw_step, segments, DECODED_TEXTS * self._limits.max_text_chars)
        return raw_step

    def _read(self, step: JsonValue, fields: _CompiledFields, acts: bool) -> StepView:
        tools = [
            text for text in (to_text(bound_value(value, self._limits)) for value in _gather(fields.tool, step)) if text
        ]
        args = _gather(fields.args, step)
        result = self._value(_gather(fields.result, step), "result")
        # One name may stand for several calls, which then differ in their arguments alone.
        calls = max(len(tools), sum(value is not None for value in args))
        return StepView(
            metadata={name: self._text(read(step))[:200] for name, read in fields.metadata if read(step)},
            observation=self._cut(self._text(_gather(fields.observation, step)), "observation"),
            action=self._cut(self._text(_gather(fields.action, step)), "action"),
            tool=bound_text(" ".join(tools), 400),
            args=self._value(args, "args"),
            result=result,
            status=self._status(step, fields, result),
            actions=max(1, calls) if acts else 0,
        )

    def _status(self, step: JsonValue, fields: _CompiledFields, result: JsonValue) -> str:
        if any(test(step) for test in self._errors):
            return "error"
        if self._error_texts and is_present(result):
            text = to_text(result).lower()
            if any(sign in text for sign in self._error_texts):
                return "error"
        stated = self._text(_gather(fields.status, step)).strip().lower()[:40]
        if stated:
            return stated
        return "ok" if self.spec.status.ok_if_result and is_present(result) else ""

    def _text(self, values: list[JsonValue]) -> str:
        texts = (to_text(bound_value(value, self._limits)) for value in values)
        return bound_text("\n".join(text for text in texts if text), self._limits.max_text_chars)

    def _value(self, values: list[JsonValue], field: str) -> JsonValue:
        kept = [self._cut_value(bound_value(value, self._limits), field) for value in values if value is not None]
        if all(value == "" for value in kept):
            return None
        return kept[0] if len(kept) == 1 else kept

    def _cut_value(self, value: JsonValue, field: str) -> JsonValue:
        """Objects and lists are cut in each of their texts; they are bounded copies by now."""
        if isinstance(value, str):
            return self._cut(value, field)
        if field not in self._cut_fields or not isinstance(value, dict | list):
            return value
        if isinstance(value, dict):
            return {key: self._cut_value(item, field) for key, item in value.items()}
        return [self._cut_value(item, field) for item in value]

    def _cut(self, text: str, field: str) -> str:
        for cut in self.spec.cuts:
            if cut.field == field:
                text = _apply_cut(text, cut)
        return text


def compile_adapter(spec: AdapterSpec) -> Adapter:
    """Return the adapter that a spec describes."""
    return Adapter(spec)


def _apply_cut(text: str, cut: Cut) -> str:
    found = text.find(cut.literal)
    if found < 0:
        return text
    return "" if cut.whole else text[:found].rstrip()


def _gather(reads: tuple[Read, ...], step: JsonValue) -> list[JsonValue]:
    if len(reads) == 1:
        return reads[0](step)
    return [value for read in reads for value in read(step)]


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
    read = compile_pointer(selector.path, limits.max_items)
    if selector.where is not None:
        read = _filtered(selector.path, selector.where, limits)
    if selector.only == "text":
        read = _texts_only(read)
    if selector.template is not None and selector.take is not None:
        literals, names = parse_template(selector.template)
        take = selector.take

        def taken(value: JsonValue) -> JsonValue:
            parts = match_template(literals, names, value) if isinstance(value, str) else None
            return None if parts is None else parts[take]

        read = _mapped(read, taken)
    if selector.decode == "json":
        read = _mapped(read, lambda value: _decode_json(value, limits.max_text_chars))
    return read


def _mapped(read: Read, change: Callable[[JsonValue], JsonValue]) -> Read:
    return lambda step: [change(value) for value in read(step)]


def _texts_only(read: Read) -> Read:
    return lambda step: [value for value in read(step) if isinstance(value, str)]


def _filtered(path: str, where: dict[str, list[Any]], limits: Limits) -> Read:
    items, rest = iter_items(path, limits.max_items)
    tests = compile_conditions(where, limits.max_items)
    inside = compile_pointer(rest, limits.max_items)
    return lambda step: [value for item in items(step) if all(test(item) for test in tests) for value in inside(item)]


def _decode_at(value: JsonValue, segments: tuple[str, ...], max_chars: int) -> JsonValue:
    """Return a copy in which the string at a path of keys is the JSON it holds, or the value where there is none."""
    if not segments:
        return _decode_json(value, max_chars)
    if not isinstance(value, dict) or segments[0] not in value:
        return value
    return {**value, segments[0]: _decode_at(value[segments[0]], segments[1:], max_chars)}


def _decode_json(value: JsonValue, max_chars: int) -> JsonValue:
    if not isinstance(value, str) or len(value) > max_chars:
        return value
    try:
        decoded: JsonValue = orjson.loads(value)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return value
    return decoded
