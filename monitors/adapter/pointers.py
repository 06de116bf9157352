"""JSON pointers with `*`, compiled to closures that never raise on data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from monitors.stepview import JsonValue

ABSENT: Final = object()
"""What a single pointer gives where it names nothing: null is a value."""


class Cutting(Protocol):
    """What takes note that a list was longer than may be walked."""

    truncated: bool


class Resolve(Protocol):
    """Gives every value that a pointer names in a document."""

    def __call__(self, value: JsonValue, noted: Cutting | None = None, /) -> list[JsonValue]: ...


def split_pointer(pointer: str) -> tuple[str, ...]:
    """Return the unescaped segments of an RFC 6901 pointer ("" → none)."""
    if not pointer:
        return ()
    return tuple(segment.replace("~1", "/").replace("~0", "~") for segment in pointer[1:].split("/"))


def join_pointer(segments: tuple[str, ...]) -> str:
    """Return the pointer of some segments, escaped."""
    return "".join("/" + segment.replace("~", "~0").replace("/", "~1") for segment in segments)


def compile_pointer(pointer: str, max_items: int) -> Resolve:
    """Return a function giving every value that the pointer names in a document, in document order; [] where it names
    none.

    A `*` walks at most `max_items` items of a list, and takes note where there were more; a digit segment indexes a
    list, and -1, which the RFC does not have, is its last item. Wrong shapes give no value.
    """
    segments = split_pointer(pointer)
    if _is_key(segments):
        return _compile_key(segments[0])
    if "*" not in segments:
        find = compile_single(segments)

        def resolve_one(value: JsonValue, noted: Cutting | None = None) -> list[JsonValue]:  # noqa: ARG001 - no list, no cut
            found = find(value)
            return [] if found is ABSENT else [found]

        return resolve_one

    star = segments.index("*")
    head = compile_pointer(join_pointer(segments[:star]), max_items)
    rest = segments[star + 1 :]
    if "*" not in rest:
        return _compile_items(compile_single(segments[:star]), rest, max_items)
    tail = compile_pointer(join_pointer(rest), max_items)

    def resolve_many(value: JsonValue, noted: Cutting | None = None) -> list[JsonValue]:
        found: list[JsonValue] = []
        for items in head(value, noted):
            if isinstance(items, list):
                if noted is not None and len(items) > max_items:
                    noted.truncated = True
                for item in items[:max_items]:
                    found.extend(tail(item, noted))
        if noted is not None and len(found) > max_items:
            noted.truncated = True
        return found[:max_items]

    return resolve_many


def _compile_key(key: str) -> Resolve:
    """The commonest pointer of all names a key: one call, where composing would take two."""

    def resolve_key(value: JsonValue, noted: Cutting | None = None) -> list[JsonValue]:  # noqa: ARG001 - no list, no cut
        return [value[key]] if isinstance(value, dict) and key in value else []

    return resolve_key


def _compile_items(head: Callable[[JsonValue], Any], rest: tuple[str, ...], max_items: int) -> Resolve:
    """The commonest pointer with a `*` has one: no list between its two halves."""
    tail = compile_single(rest)

    def resolve_items(value: JsonValue, noted: Cutting | None = None) -> list[JsonValue]:
        items = head(value)
        if not isinstance(items, list):
            return []
        if len(items) > max_items:
            if noted is not None:
                noted.truncated = True
            items = items[:max_items]
        return items.copy() if not rest else [found for item in items if (found := tail(item)) is not ABSENT]

    return resolve_items


def compile_single(segments: tuple[str, ...]) -> Callable[[JsonValue], Any]:
    """Return a function giving the value at segments without `*`, or ABSENT."""
    if not segments:
        return lambda value: value
    first = segments[0]
    if _is_key(segments):
        return lambda value: value.get(first, ABSENT) if isinstance(value, dict) else ABSENT
    indexed = tuple((segment, _index(segment)) for segment in segments)

    def find(value: JsonValue) -> Any:
        for segment, index in indexed:
            if isinstance(value, dict):
                if segment not in value:
                    return ABSENT
                value = value[segment]
            elif isinstance(value, list) and index is not None and index < len(value) and value:
                value = value[index]
            else:
                return ABSENT
        return value

    return find


def _is_key(segments: tuple[str, ...]) -> bool:
    return len(segments) == 1 and segments[0] != "*" and _index(segments[0]) is None


def _index(segment: str) -> int | None:
    if segment == "-1":
        return -1
    return int(segment[:9]) if segment.isascii() and segment.isdigit() else None


def iter_items(pointer: str, max_items: int) -> tuple[Resolve, str]:
    """Return the resolver of everything up to and with the last `*`, and the pointer that remains inside each item."""
    segments = split_pointer(pointer)
    if "*" not in segments:
        return compile_pointer("", max_items), pointer
    last = len(segments) - 1 - segments[::-1].index("*")
    return compile_pointer(join_pointer(segments[: last + 1]), max_items), join_pointer(segments[last + 1 :])


def is_present(value: JsonValue) -> bool:
    """Return whether a value says anything: not null, not an empty text, list or object."""
    if isinstance(value, str | list | dict):
        return len(value) > 0
    return value is not None


def is_same(left: JsonValue, right: JsonValue) -> bool:
    """Return whether two JSON values are equal, telling true from 1 and false from 0."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def compile_conditions(conditions: dict[str, list[JsonValue]], max_items: int) -> list[Callable[[JsonValue], bool]]:
    """Return one test per pointer: some value there is among the allowed ones, or, with none listed, some value is
    present.
    """
    return list(_compile_each(conditions, max_items))


def _compile_each(conditions: dict[str, list[JsonValue]], max_items: int) -> Iterator[Callable[[JsonValue], bool]]:
    for pointer, allowed in conditions.items():
        segments = split_pointer(pointer)
        test = _compile_test(allowed)
        if _is_key(segments):
            yield _test_key(segments[0], test)
        elif "*" not in segments:
            yield _test_one(compile_single(segments), test)
        else:
            yield _test_any(compile_pointer(pointer, max_items), test)


def _compile_test(allowed: list[JsonValue]) -> Callable[[JsonValue], bool]:
    if not allowed:
        return is_present
    if all(isinstance(one, str) for one in allowed):
        texts = frozenset(allowed)
        return lambda value: isinstance(value, str) and value in texts
    return lambda value: any(is_same(value, one) for one in allowed)


def _test_key(key: str, test: Callable[[JsonValue], bool]) -> Callable[[JsonValue], bool]:
    return lambda step: isinstance(step, dict) and key in step and test(step[key])


def _test_one(find: Callable[[JsonValue], Any], test: Callable[[JsonValue], bool]) -> Callable[[JsonValue], bool]:
    def passes(step: JsonValue) -> bool:
        found = find(step)
        return found is not ABSENT and test(found)

    return passes


def _test_any(resolve: Resolve, test: Callable[[JsonValue], bool]) -> Callable[[JsonValue], bool]:
    return lambda step: any(map(test, resolve(step)))
