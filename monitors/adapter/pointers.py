"""JSON pointers with `*`, compiled to closures that never raise on data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from monitors.stepview import JsonValue

Resolve = Callable[[JsonValue], list[JsonValue]]


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

    A `*` walks at most `max_items` items of a list; a digit segment indexes a list, and -1, which the RFC does not
    have, is its last item. Wrong shapes give no value.
    """
    segments = split_pointer(pointer)
    if "*" not in segments:
        indexed = [(segment, _index(segment)) for segment in segments]

        def resolve_one(value: JsonValue) -> list[JsonValue]:
            for segment, index in indexed:
                if isinstance(value, dict):
                    if segment not in value:
                        return []
                    value = value[segment]
                elif isinstance(value, list) and index is not None and index < len(value) and value:
                    value = value[index]
                else:
                    return []
            return [value]

        return resolve_one

    star = segments.index("*")
    head = compile_pointer(join_pointer(segments[:star]), max_items)
    tail = compile_pointer(join_pointer(segments[star + 1 :]), max_items)

    def resolve_many(value: JsonValue) -> list[JsonValue]:
        found: list[JsonValue] = []
        for items in head(value):
            if isinstance(items, list):
                for item in items[:max_items]:
                    found.extend(tail(item))
        return found[:max_items]

    return resolve_many


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
    return value not in (None, "", [], {})


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
        resolve = compile_pointer(pointer, max_items)
        if allowed:
            yield lambda step, resolve=resolve, allowed=allowed: any(  # type: ignore[misc]
                is_same(value, one) for value in resolve(step) for one in allowed
            )
        else:
            yield lambda step, resolve=resolve: any(is_present(value) for value in resolve(step))  # type: ignore[misc]
