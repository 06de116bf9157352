"""Exports of spans and log records for tests, as OTLP's JSON and in protobuf."""

from __future__ import annotations

import base64
import copy
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

T0 = 1_773_648_000_000_000_000
TRACE = "5b8efff798038103d269b633813fc60c"

Json = dict[str, Any]


def to_value(value: Any) -> Json:
    """A plain value as OTLP's AnyValue."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [to_value(one) for one in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": to_pairs(value)}}
    return {"stringValue": value}


def to_pairs(attributes: Json) -> list[Json]:
    return [{"key": key, "value": to_value(value)} for key, value in attributes.items()]


def span(number: int, *, trace: str = TRACE, parent: str = "eee19b7ec3c1b173", **fields: Any) -> Json:
    """A span that ends at a number of milliseconds. `attributes` is a plain object."""
    attributes = fields.pop("attributes", {})
    return {
        "traceId": trace,
        "spanId": f"{number + 1:016x}",
        **({"parentSpanId": parent} if parent else {}),
        "name": f"chat {number}",
        "kind": 3,
        "startTimeUnixNano": str(T0 + number * 1_000_000 - 500_000),
        "endTimeUnixNano": str(T0 + number * 1_000_000),
        "attributes": to_pairs(attributes),
        **fields,
    }


def record(number: int, event: str, *, trace: str = TRACE, body: Any = None, **attributes: Any) -> Json:
    """A log record of an event."""
    return {
        "timeUnixNano": str(T0 + number * 1_000_000),
        "eventName": event,
        **({"traceId": trace, "spanId": "eee19b7ec3c1b174"} if trace else {}),
        **({"body": to_value(body)} if body is not None else {}),
        "attributes": to_pairs({name.replace("__", "."): value for name, value in attributes.items()}),
    }


def export(*spans: Any, **resource: Any) -> Json:
    """One export of spans. The names of the resource's attributes have __ for dots."""
    return {"resourceSpans": [{"resource": _resource(resource), "scopeSpans": [{"scope": {}, "spans": [*spans]}]}]}


def export_logs(*records: Any, **resource: Any) -> Json:
    """One export of log records."""
    return {"resourceLogs": [{"resource": _resource(resource), "scopeLogs": [{"scope": {}, "logRecords": [*records]}]}]}


def _resource(resource: Json) -> Json:
    return {"attributes": to_pairs({name.replace("__", "."): value for name, value in resource.items()})}


def to_protobuf(document: Json) -> bytes:
    """An export in protobuf."""
    document = copy.deepcopy(document)
    _unhex(document)
    message = ExportTraceServiceRequest() if "resourceSpans" in document else ExportLogsServiceRequest()
    return bytes(ParseDict(document, message).SerializeToString())


def _unhex(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _unhex(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in {"traceId", "spanId", "parentSpanId"}:
                node[key] = base64.b64encode(bytes.fromhex(value)).decode()
            else:
                _unhex(value)


def to_body(document: Json, encoding: str) -> tuple[bytes, dict[str, str]]:
    """An export's body and headers."""
    if encoding == "protobuf":
        return to_protobuf(document), {"Content-Type": "application/x-protobuf"}
    return orjson.dumps(document), {"Content-Type": "application/json"}
