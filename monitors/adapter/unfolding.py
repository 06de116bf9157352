"""Objects whose keys are paths (`messages.0.role`) as the nested objects and lists they were flattened from."""

from __future__ import annotations

from typing import Any

from monitors.stepview import JsonValue

MAX_KEYS = 4_000
MAX_PARTS = 16
MAX_INDEX = 1_000


def is_folded(value: JsonValue) -> bool:
    """Return whether some keys of an object are paths with a number between dots, which only flattened lists have."""
    return isinstance(value, dict) and any(_is_folded_key(key) for key in list(value)[:MAX_KEYS])


def unfold(value: JsonValue) -> JsonValue:
    """Return an object with the keys nested that have a number between dots, which is a place in a list.

    Other keys stay, dotted or not. What cannot be both (a.0.b beside a list a) keeps its key as it is. At most 4,000
    keys are looked at, so the work is linear in the object. Never raises.
    """
    if not isinstance(value, dict):
        return value
    nested: dict[str, Any] = {}
    for key, item in list(value.items())[:MAX_KEYS]:
        parts = key.split(".") if _is_folded_key(key) else []
        if not parts or "" in parts or not _put(nested, parts, item):
            nested[key] = item
    return _with_lists(nested)


def _is_folded_key(key: JsonValue) -> bool:
    if not isinstance(key, str) or not 2 <= key.count(".") < MAX_PARTS:
        return False
    return any(_is_place(part) for part in key.split(".")[1:-1])


def _put(nested: dict[str, Any], parts: list[str], item: JsonValue) -> bool:
    node = nested
    for part in parts[:-1]:
        inner = node.setdefault(part, _Made())
        if not isinstance(inner, _Made):
            return False
        node = inner
    if parts[-1] in node:
        return False
    node[parts[-1]] = item
    return True


class _Made(dict[str, Any]):
    """An object that unfolding made, told from those that were there."""


def _with_lists(node: dict[str, Any]) -> JsonValue:
    filled = {key: _with_lists(item) if isinstance(item, _Made) else item for key, item in node.items()}
    if filled and isinstance(node, _Made) and all(_is_place(key) for key in filled):
        return [filled[key] for key in sorted(filled, key=int)]
    return filled


def _is_place(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= 4 and int(key) <= MAX_INDEX
