"""OTLP/JSON spans, and log records that are GenAI events, as flat objects: the raw steps of a traced agent."""

from __future__ import annotations

from typing import Any

from monitors.stepview import JsonValue

MAX_VALUE_DEPTH = 32
"""Attribute values nested deeper than this are dropped."""


GROUPS = ("resourceSpans", "resourceLogs")
EVENT_PREFIX = "gen_ai."
"""Log records whose event has a name that begins so are steps; all others are not."""
EVALUATION = "gen_ai.evaluation.result"
"""The event that says how good something was: it tells the outcome, so it is never a step."""


def is_span_document(value: JsonValue) -> bool:
    """Return whether a JSON value is one OTLP export of spans or log records, or a list of such exports."""
    if isinstance(value, list):
        return bool(value) and all(is_span_document(item) for item in value if not isinstance(item, list))
    return isinstance(value, dict) and any(isinstance(value.get(key), list) for key in GROUPS)


def flatten_spans(document: JsonValue) -> list[dict[str, Any]]:
    """Return every span of an export in document order, each one flat object; then its log records that are steps, as
    `flatten_record` gives them.

    A span's keys are its own (`traceId`, `spanId`, `name`, `startTimeUnixNano`, ...), with `attributes` as a plain
    dict, `events` as objects with plain `attributes`, and the resource's attributes under `resource`. Parts of a wrong
    shape are left out; never raises.
    """
    exports = document if isinstance(document, list) else [document]
    spans = [
        flatten_span(span, resource)
        for export in exports
        for group in _objects(export, "resourceSpans")
        for resource in [resource_attributes(group)]
        for scope in [*_objects(group, "scopeSpans"), *_objects(group, "instrumentationLibrarySpans")]
        for span in _objects(scope, "spans")
    ]
    records = [
        flatten_record(record, resource)
        for export in exports
        for group in _objects(export, "resourceLogs")
        for resource in [resource_attributes(group)]
        for scope in _objects(group, "scopeLogs")
        for record in _objects(scope, "logRecords")
    ]
    return spans + [record for record in records if is_step(record)]


def is_step(record: dict[str, Any]) -> bool:
    """Return whether a flat log record is a step: a GenAI event, and none that tells the outcome."""
    name = record.get("eventName")
    return isinstance(name, str) and name.startswith(EVENT_PREFIX) and name != EVALUATION


def flatten_record(record: dict[str, Any], resource: dict[str, JsonValue]) -> dict[str, Any]:
    """Return a log record as one flat object, as a span is: `body` and `attributes` are plain, `eventName` is there
    whichever way the event was named, and `endTimeUnixNano`, the record's time, is what orders it among spans.
    """
    flat = {key: value for key, value in record.items() if key not in ("attributes", "body")}
    flat["attributes"] = _attributes(record)
    name = record.get("eventName") or flat["attributes"].get("event.name")
    if isinstance(name, str):
        flat["eventName"] = name
    if "body" in record:
        flat["body"] = _any_value(record["body"], MAX_VALUE_DEPTH)
    times = (record.get("timeUnixNano"), record.get("observedTimeUnixNano"))
    flat["endTimeUnixNano"] = next((time for time in times if time not in (None, "", 0, "0")), None)
    if resource:
        flat["resource"] = resource
    return flat


def flatten_span(span: dict[str, Any], resource: dict[str, JsonValue]) -> dict[str, Any]:
    """Return one span as a flat object; see `flatten_spans`."""
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


def resource_attributes(group: dict[str, Any]) -> dict[str, JsonValue]:
    """Return the attributes of the resource that a group of spans or log records comes from."""
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
