"""Rows: events written as short lists of values, such as [time, kind, text]."""

from __future__ import annotations

from collections import Counter

from monitors.stepview import JsonValue

MIN_ROWS = 3
MAX_COLUMNS = 16
MOST = 0.8
MAX_DEPTH = 8


def with_named_columns(value: JsonValue, depth: int = 0) -> JsonValue:
    """Return a document in which each row of a table is an object, its columns named '0', '1', ...

    A pointer such as '/2' then names the same value in the row as it stands in the file. A table is a list whose items
    are mostly lists of one length with at least one number and one text among their plain values.
    """
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {key: with_named_columns(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        columns = _columns(value)
        return [
            {str(number): cell for number, cell in enumerate(item)}
            if columns is not None and isinstance(item, list) and len(item) == columns
            else with_named_columns(item, depth + 1)
            for item in value
        ]
    return value


def _columns(items: list[JsonValue]) -> int | None:
    lengths = Counter(len(item) for item in items if isinstance(item, list) and _is_row(item))
    columns, count = max(lengths.items(), key=lambda one: (one[1], one[0]), default=(0, 0))
    return columns if count >= MIN_ROWS and count >= MOST * len(items) else None


def _is_row(item: list[JsonValue]) -> bool:
    if not 2 <= len(item) <= MAX_COLUMNS or any(isinstance(cell, dict | list) for cell in item):
        return False
    numbers = any(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in item)
    return numbers and any(isinstance(cell, str) for cell in item)
