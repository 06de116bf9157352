"""Schemas in words, as cells of a table of Markdown."""

from __future__ import annotations

import json
import re
from typing import Any

from scripts.api_reference.document import Schema, reference_of

NAMES = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "null": "null"}
FORMATS = {"date-time": "time (ISO 8601)", "binary": "bytes", "password": "text"}


def to_cell(text: str) -> str:
    """A text that stays in its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def has_markup(text: str) -> bool:
    """True where a page would take a part of the text for a tag."""
    return re.search(r"<[A-Za-z/!]", re.sub(r"`[^`]*`", "", text)) is not None


def to_code(value: Any) -> str:
    """A value as JSON, a text without its quotes, in a code span."""
    return f"`{value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)}`"


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return "".join(char for char in heading.lower() if char.isalnum() or char in "_- ").replace(" ", "-")


def link_to(name: str) -> str:
    """A link to the shape of that name."""
    return f"[{name}](#{slug(name)})"


def to_words(schema: Schema, *, null: bool = True) -> str:
    """The type of a value with its bounds. `null`: whether a null that is allowed is told of."""
    if name := reference_of(schema):
        return link_to(name)
    options = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    if options:
        words = [to_words(one) for one in options if null or one.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    if "const" in schema:
        return to_code(schema["const"])
    if "enum" in schema:
        return ", ".join(to_code(one) for one in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {to_words(schema.get('items', {}))}{_most(schema, 'Items')}"
    if kind == "object":
        return _object(schema)
    if kind is None:
        return "anything"
    return FORMATS.get(schema.get("format", ""), NAMES[kind]) + _bounds(schema)


def default_of(schema: Schema) -> str:
    """The default of a value that may be left out; empty where it has none that says something."""
    default = schema.get("default")
    return "" if default in (None, "", [], {}) or isinstance(default, dict | list) else to_code(default)


def _object(schema: Schema) -> str:
    inside = schema.get("additionalProperties")
    if isinstance(inside, dict) and inside:
        names = {"type": "string", **schema.get("propertyNames", {})}
        return f"object: {to_words(names)} → {to_words(inside)}{_most(schema, 'Properties')}"
    return "object"


def _bounds(schema: Schema) -> str:
    parts = []
    low, high = schema.get("minimum"), schema.get("maximum")
    if (above := schema.get("exclusiveMinimum")) is not None:
        parts.append(f"above {_number(above)}")
        parts += [] if high is None else [f"at most {_number(high)}"]
    elif low is not None and high is not None:
        parts.append(f"{_number(low)} – {_number(high)}")
    elif low is not None:
        parts.append(f"from {_number(low)}")
    elif high is not None:
        parts.append(f"at most {_number(high)}")
    low, high = schema.get("minLength"), schema.get("maxLength")
    if high:
        parts.append(f"{low:,} – {high:,} characters" if low else f"at most {high:,} characters")
    if pattern := schema.get("pattern"):
        parts.append(f"`{pattern}`")
    return f" ({', '.join(parts)})" if parts else ""


def _most(schema: Schema, what: str) -> str:
    low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
    if low and high:
        return f", {low:,} – {high:,} of them" if low != high else f", {low:,} of them"
    return f", at most {high:,}" if high else f", at least {low:,}" if low else ""


def _number(value: float) -> str:
    return {2**53: "2^53", 2**31: "2^31"}.get(int(value), f"{value:,g}" if value < 1e6 else f"{int(value):,}")
