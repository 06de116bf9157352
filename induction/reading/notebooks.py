"""Notebooks as they are read: cells whose texts are one string each, rather than lists of lines."""

from __future__ import annotations

from monitors.stepview import JsonValue

MAX_DEPTH = 6


def is_notebook(value: JsonValue) -> bool:
    """Return whether a document is a notebook: it has cells, and says the number of its format."""
    return isinstance(value, dict) and isinstance(value.get("cells"), list) and "nbformat" in value


def with_joined_lines(value: JsonValue, depth: int = 0) -> JsonValue:
    """Return a value in which each list of lines is one text. Lines end in a line break, all but the last."""
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {key: with_joined_lines(item, depth + 1) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > 0 and all(isinstance(line, str) for line in value):
        lines = [str(line) for line in value]
        return "".join(lines) if all(line.endswith("\n") for line in lines[:-1]) else "\n".join(lines)
    return [with_joined_lines(item, depth + 1) for item in value]
