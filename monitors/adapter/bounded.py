"""Bounded copies of hostile JSON: depth, item, value and text limits, valid Unicode, finite work whatever comes in."""

from __future__ import annotations

from itertools import islice
from typing import Any

from monitors.adapter.spec import Limits
from monitors.adapter.terminal import strip_terminal
from monitors.stepview import JsonValue

MAX_KEY_CHARS = 200
MAX_ODD_CHARS = 200
"""Of a value that is no JSON at all, as text."""
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


def bound_text(text: str, max_chars: int) -> str:
    """Return at most `max_chars` characters, without terminal codes; lone surrogates, which no UTF-8 can carry,
    become '?'.
    """
    text = text[:max_chars]
    if "\x1b" in text:
        text = strip_terminal(text)
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


class Bounds:
    """Makes the bounded copies of one raw step's values. `truncated` says whether anything was left out so far."""

    __slots__ = ("_chars", "_limits", "_max_items", "_values", "truncated")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._max_items = limits.max_items
        self._values = 0
        self._chars = 0
        self.truncated = False

    def text(self, text: str, max_chars: int) -> str:
        """Return the text as `bound_text` does, and take note if it was longer."""
        if len(text) > max_chars:
            self.truncated = True
        elif text.isascii() and "\x1b" not in text:
            return text
        return bound_text(text, max_chars)

    def value(self, value: JsonValue) -> JsonValue:
        """Return a copy that keeps to the limits: what lies deeper or further is left out, numbers beyond 64 bits
        become text.
        """
        limits = self._limits
        if isinstance(value, str):
            return self.text(value, limits.max_text_chars)
        self._values, self._chars = limits.max_values - 1, limits.max_text_chars
        return self._copy(value, limits.max_depth)

    def _copy(self, value: JsonValue, depth: int) -> JsonValue:
        if isinstance(value, dict):
            return self._copy_dict(value, depth)
        if isinstance(value, list):
            return self._copy_list(value, depth)
        if isinstance(value, str):
            text = self.text(value, max(self._chars, 0))
            self._chars -= len(text)
            return text
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            if _INT64_MIN <= value <= _INT64_MAX:
                return value
            return str(value)[:40] if abs(value).bit_length() < 4_000 else "(a huge number)"
        return bound_text(str(value), MAX_ODD_CHARS)

    def _affordable(self, size: int, depth: int) -> int:
        """Return how many of a container's values are kept, and take them off the budget."""
        kept = min(size, self._max_items, self._values) if depth > 0 else 0
        if kept < size:
            self.truncated = True
        self._values -= kept
        return kept

    # Short texts and small numbers are copied where they stand: a call for each would be most of the cost.

    def _copy_dict(self, value: dict[str, Any], depth: int) -> dict[str, JsonValue]:
        kept: dict[str, JsonValue] = {}
        number = len(value)
        if depth > 0 and number <= self._max_items and number <= self._values:
            self._values -= number
        else:
            number = self._affordable(number, depth)
        for key, item in value.items() if number == len(value) else islice(value.items(), number):
            if type(key) is not str or len(key) > MAX_KEY_CHARS or not key.isascii():
                key = self.text(str(key), MAX_KEY_CHARS)  # noqa: PLW2901 - the common key needs no call
            kind = type(item)
            if kind is str and len(item) <= self._chars and item.isascii() and "\x1b" not in item:
                self._chars -= len(item)
                kept[key] = item
            elif item is None or kind is bool or (kind is int and _INT64_MIN <= item <= _INT64_MAX):
                kept[key] = item
            elif kind is dict:
                kept[key] = self._copy_dict(item, depth - 1)
            else:
                kept[key] = self._copy(item, depth - 1)
        return kept

    def _copy_list(self, value: list[Any], depth: int) -> list[JsonValue]:
        kept: list[JsonValue] = []
        number = self._affordable(len(value), depth)
        for item in value if number == len(value) else value[:number]:
            kind = type(item)
            if kind is str and len(item) <= self._chars and item.isascii() and "\x1b" not in item:
                self._chars -= len(item)
                kept.append(item)
            elif item is None or kind is bool or (kind is int and _INT64_MIN <= item <= _INT64_MAX):
                kept.append(item)
            elif kind is dict:
                kept.append(self._copy_dict(item, depth - 1))
            else:
                kept.append(self._copy(item, depth - 1))
        return kept
