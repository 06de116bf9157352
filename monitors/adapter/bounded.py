"""Bounded copies of hostile JSON: depth, item and text limits, valid Unicode, finite work whatever comes in."""

from __future__ import annotations

from monitors.adapter.spec import Limits
from monitors.stepview import JsonValue

MAX_NODES = 2_000
"""Values kept of one field. The other limits alone would allow max_items ** max_depth."""


def bound_text(text: str, max_chars: int) -> str:
    """Return at most `max_chars` characters; lone surrogates, which no UTF-8 can carry, become '?'."""
    text = text[:max_chars]
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def bound_value(value: JsonValue, limits: Limits) -> JsonValue:
    """Return a copy that keeps to the limits: what lies deeper or further is left out, numbers beyond 64 bits become
    text.
    """
    if isinstance(value, str):
        return bound_text(value, limits.max_text_chars)
    budget = [MAX_NODES, limits.max_text_chars]
    return _bound(value, limits.max_depth, limits.max_items, budget)


def _bound(value: JsonValue, depth: int, max_items: int, budget: list[int]) -> JsonValue:
    budget[0] -= 1
    if isinstance(value, str):
        text = bound_text(value, max(budget[1], 0))
        budget[1] -= len(text)
        return text
    if isinstance(value, dict):
        kept = {}
        for key, item in list(value.items())[:max_items]:
            if depth <= 0 or budget[0] <= 0:
                break
            kept[bound_text(str(key), 200)] = _bound(item, depth - 1, max_items, budget)
        return kept
    if isinstance(value, list):
        items = []
        for item in value[:max_items]:
            if depth <= 0 or budget[0] <= 0:
                break
            items.append(_bound(item, depth - 1, max_items, budget))
        return items
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return str(value)[:40] if abs(value).bit_length() < 4_000 else "(a huge number)"
    if value is None or isinstance(value, bool | int | float):
        return value
    return bound_text(str(value), 200)
