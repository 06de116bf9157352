"""Trees of events: objects that hold lists of objects like themselves, as nested spans do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monitors.adapter.pointers import join_pointer, split_pointer
from monitors.stepview import JsonValue

Pair = tuple[JsonValue, JsonValue]

MAX_LOOKED_AT = 20_000
MAX_DEPTH = 64
MIN_LIKENESS = 0.6
MIN_NESTED = 3
MAX_TIME = 1e300
MIN_EPOCH = 1e9
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]|\d{10,19}$")


@dataclass(frozen=True, slots=True)
class Tree:
    """Where children stand inside an event, and the value inside an event that says when it ended, if there is one."""

    children: str
    ended: str | None


def flatten_tree(roots: Sequence[JsonValue], pointer: str) -> list[JsonValue]:
    """Return every event of some trees, without its children: children in their order before the event that they
    happened in, which ended after them.
    """
    keys = split_pointer(pointer)
    flat: list[JsonValue] = []
    # A stack, not recursion: a hostile tree may be as deep as its file is long. Last comes first: reversed at the end.
    stack = list(roots)
    while stack:
        event = stack.pop()
        children = _list_at(event, keys)
        flat.append(_without(event, keys) if children is not None else event)
        stack.extend(children or ())
    flat.reverse()
    return flat


def find_tree(values: Sequence[JsonValue]) -> Tree | None:
    """Return how events are nested in some documents, or None where nothing nests in its own like.

    A tree's children stand in a list under the same key at every level, and most of an object's keys are those of
    the object that holds it.
    """
    found: Counter[str] = Counter()
    budget = [MAX_LOOKED_AT]
    for value in values:
        _count_nested(value, found, budget, 0, in_lists=0, is_item=True)
    pointer = min(found, key=lambda key: (-found[key], key), default=None)
    if pointer is None or found[pointer] < MIN_NESTED:
        return None
    return Tree(pointer, _find_end(values, pointer))


def with_flat_trees(value: JsonValue, pointer: str) -> JsonValue:
    """Return a document in which every tree is the list of its events, so that it looks like one of flat events.

    A root becomes a list; a list of roots inside an object becomes one list of all their events, and the items of a
    list that is the document itself stay apart.
    """
    keys = split_pointer(pointer)
    if isinstance(value, list):
        return [_flattened(item, keys, pointer, 0) for item in value]
    return _flattened(value, keys, pointer, 0)


def _flattened(value: JsonValue, keys: tuple[str, ...], pointer: str, depth: int) -> JsonValue:
    if depth > MAX_DEPTH:
        return value
    if _list_at(value, keys) is not None:
        return flatten_tree([value], pointer)
    if isinstance(value, dict):
        return {key: _flattened(item, keys, pointer, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        if any(_list_at(item, keys) is not None for item in value):
            return flatten_tree(value, pointer)
        return [_flattened(item, keys, pointer, depth + 1) for item in value]
    return value


def _count_nested(
    value: JsonValue, found: Counter[str], budget: list[int], depth: int, *, in_lists: int, is_item: bool
) -> None:
    """Count under each pointer the children that have children's lists of their own.

    A root is the document, an object in it outside of lists, an item of a list, or what tells its time: another
    nested thing that an event merely holds under a key, such as a page, is no tree of events.
    """
    budget[0] -= 1
    if budget[0] <= 0 or depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            _count_nested(item, found, budget, depth + 1, in_lists=in_lists + 1, is_item=True)
    elif isinstance(value, dict):
        for keys, items in _inner_lists(value) if is_item or not in_lists or _is_dated(value) else ():
            if all(_is_like(value, item) for item in items):
                found[join_pointer(keys)] += sum(_list_at(item, keys) is not None for item in items)
        for item in value.values():
            _count_nested(item, found, budget, depth + 1, in_lists=in_lists, is_item=False)


def _is_dated(value: dict[str, Any]) -> bool:
    """Return whether an object says when it was: a text that begins with a date, or seconds or more since 1970."""
    return any(
        (isinstance(item, str) and _DATE.match(item) is not None)
        or (isinstance(item, int | float) and not isinstance(item, bool) and MIN_EPOCH < item < MAX_TIME)
        for item in value.values()
    )


def _inner_lists(value: dict[str, Any]) -> list[tuple[tuple[str, ...], list[JsonValue]]]:
    """The filled lists of an object, and those of the objects in it."""
    one = [((key,), item) for key, item in value.items() if isinstance(item, list) and item]
    two = [
        ((key, inner), item)
        for key, held in value.items()
        if isinstance(held, dict)
        for inner, item in held.items()
        if isinstance(item, list) and item
    ]
    return [*one, *two]


def _is_like(parent: dict[str, Any], child: JsonValue) -> bool:
    if not isinstance(child, dict) or len(child) < 2:
        return False
    return len(parent.keys() & child.keys()) >= MIN_LIKENESS * len(parent.keys() | child.keys())


def _find_end(values: Sequence[JsonValue], pointer: str) -> str | None:
    """Return the path of the value that orders events by when they ended: of the comparable values that every event
    has, the one that is never before another that also orders children behind their parent's start.
    """
    pairs = _collect_pairs(values, split_pointer(pointer))
    if len(pairs) < MIN_NESTED:
        return None
    # A parent ends when its last child has ended, and starts before its first: an end is never smaller in the parent.
    paths = _time_paths([parent for parent, _ in pairs])
    ends = [path for path in paths if _share(pairs, path, later=True) >= 0.95]
    starts = [path for path in paths if _share(pairs, path, later=False) >= 0.95]
    ends = [path for path in ends if path not in starts]
    return ends[0] if ends and starts else None


def _collect_pairs(values: Sequence[JsonValue], keys: tuple[str, ...]) -> list[Pair]:
    pairs: list[Pair] = []
    stack = list(values)
    looked_at = 0
    while stack and looked_at < MAX_LOOKED_AT:
        looked_at += 1
        value = stack.pop()
        pairs.extend((value, child) for child in _list_at(value, keys) or ())
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return pairs


def _time_paths(events: Sequence[JsonValue]) -> list[str]:
    counts: Counter[str] = Counter()
    for event in events:
        if isinstance(event, dict):
            counts.update(key for key, value in event.items() if _comparable(value) is not None)
    return [join_pointer((key,)) for key in sorted(counts) if counts[key] >= 0.95 * len(events)]


def _share(pairs: Sequence[Pair], path: str, *, later: bool) -> float:
    """Return how often a parent's value is at least its child's, or at most its child's."""
    (key,) = split_pointer(path)
    held = 0
    for parent, child in pairs:
        up = _comparable(parent.get(key)) if isinstance(parent, dict) else None
        down = _comparable(child.get(key)) if isinstance(child, dict) else None
        held += up is not None and down is not None and (up >= down if later else up <= down)
    return held / len(pairs)


def _comparable(value: JsonValue) -> tuple[float, str] | None:
    """A time is a number, digits, or text that begins with a date."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_TIME:
        return float(value), ""
    if isinstance(value, str) and value[:40].isascii():
        if value.isdigit():
            return 0.0, value.zfill(24)
        if value[:4].isdigit() and value[4:5] == "-" and len(value) <= 40:
            return 0.0, value
    return None


def _list_at(value: JsonValue, keys: tuple[str, ...]) -> list[JsonValue] | None:
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value if isinstance(value, list) else None


def _without(value: JsonValue, keys: tuple[str, ...]) -> JsonValue:
    if not isinstance(value, dict) or not keys:
        return value
    if len(keys) == 1:
        return {key: item for key, item in value.items() if key != keys[0]}
    return {**value, keys[0]: _without(value[keys[0]], keys[1:])}
