"""OTLP/JSON spans as flat objects: the raw steps of a traced agent."""

from __future__ import annotations

from typing import Any

from monitors.stepview import JsonValue

MAX_VALUE_DEPTH = 32
"""Attribute values nested deeper than this are dropped."""


def is_span_document(value: JsonValue) -> bool:
    """Return whether a JSON value is one OTLP trace export, or a list of such exports."""
    if isinstance(value, list):
        return bool(value) and all(is_span_document(item) for item in value if not isinstance(item, list))
    return isinstance(value, dict) and isinstance(value.get("resourceSpans"), list)


def flatten_spans(document: JsonValue) -> list[dict[str, Any]]:
    """Return every span of an export in document order, each one flat object.

    Its keys are the span's own (`traceId`, `spanId`, `name`, `startTimeUnixNano`, ...), with `attributes` as a plain
    dict, `events` as objects with plain `attributes`, and the resource's attributes under `resource`. Parts of a
    wrong shape are left out; never raises.
    """
    exports = document if isinstance(document, list) else [document]
    return [
        _flatten_span(span, resource)
        for export in exports
        for group in _objects(export, "resourceSpans")
        for resource in [_resource_attributes(group)]
        for scope in [*_objects(group, "scopeSpans"), *_objects(group, "instrumentationLibrarySpans")]
        for span in _objects(scope, "spans")
    ]


def _flatten_span(span: dict[str, Any], resource: dict[str, JsonValue]) -> dict[str, Any]:
    flat = {key: value for key, value in span.items() if key not in ("attributes", "events")}
    flat["attributes"] = _attributes(span)
    events = [
        {**{k: v for k, v in event.items() if k != "attributes"}, "attributes": _attributes(event)}
        for event in _objects(span, "events")
    ]
    if events:
        flat["events"] = events
    if resource:
        flat["resource"] = resource
    return flat


def _resource_attributes(group: dict[str, Any]) -> dict[str, JsonValue]:
    resource = group.get("resource")
    return _attributes(resource) if isinstance(resource, dict) else {}


def _attributes(owner: dict[str, Any]) -> dict[str, JsonValue]:
    """Return the attributes of a span, event or resource; ones that are a plain object already are taken as
    they are.
    """
    raw_attributes = owner.get("attributes")
    if isinstance(raw_attributes, dict):
        return raw_attributes
    return {
        item["key"]: _any_value(item.get("value"), MAX_VALUE_DEPTH)
        for item in _objects(owner, "attributes")
        if isinstance(item.get("key"), str)
    }


def _any_value(value: JsonValue, depth: int) -> JsonValue:
    if not isinstance(value, dict) or depth <= 0:
        return value if not isinstance(value, dict | list) else None
    for key, inner in value.items():
        if key == "intValue":
            return int(inner) if isinstance(inner, str) and inner.lstrip("-").isdigit() and len(inner) < 20 else inner
        if key == "arrayValue":
            return [_any_value(item, depth - 1) for item in _objects(inner, "values")]
        if key == "kvlistValue":
            return {
                str(item.get("key")): _any_value(item.get("value"), depth - 1) for item in _objects(inner, "values")
            }
        if key.endswith("Value"):
            return inner if isinstance(inner, str | bool | int | float) else None
    return None


def _objects(owner: JsonValue, key: str) -> list[dict[str, Any]]:
    items = owner.get(key) if isinstance(owner, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
