"""Tools as spans define them for a model: names with a JSON Schema each, which look like calls and are none."""

from __future__ import annotations

from typing import Any

from induction.adapters.profiles import decode_json_text
from monitors.stepview import JsonValue

SCHEMA_KEYS = ("parameters", "input_schema", "inputSchema")


def without_definitions(span: JsonValue) -> JsonValue:
    """Return a flat span without the attributes that define tools: they say what may be called, again and again, and
    not what was.
    """
    attributes = span.get("attributes") if isinstance(span, dict) else None
    if not isinstance(span, dict) or not isinstance(attributes, dict):
        return span
    kept: dict[str, Any] = {name: value for name, value in attributes.items() if not _defines(value)}
    return span if len(kept) == len(attributes) else {**span, "attributes": kept}


def _defines(value: JsonValue) -> bool:
    if isinstance(value, str):
        if '"properties"' not in value:
            return False
        value = decode_json_text(value)
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(isinstance(item, dict) and _has_schema(item) for item in items)


def _has_schema(item: dict[str, Any]) -> bool:
    inner = item.get("function")
    owners = (item, inner) if isinstance(inner, dict) else (item,)
    schemas = [owner.get(key) for owner in owners for key in SCHEMA_KEYS]
    return any(isinstance(schema, dict) and "properties" in schema for schema in schemas)
