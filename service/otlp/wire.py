"""OTLP's two encodings, protobuf and JSON: requests in, answers and errors out."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from service.core.raw_steps import parse_json
from service.errors import RawStepRefused

Encoding = Literal["protobuf", "json"]
MEDIA_TYPES: dict[str, Encoding] = {"application/x-protobuf": "protobuf", "application/json": "json"}
_MEDIA_OF: dict[Encoding, str] = {encoding: media for media, encoding in MEDIA_TYPES.items()}
_IDS = ("traceId", "spanId", "parentSpanId")
_ONLY_HEX = frozenset("0123456789abcdefABCDEF")

# google.rpc.Code by HTTP status: what a client may read of an error beside the status itself.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 413: 3, 415: 3, 421: 9, 429: 8, 500: 13, 502: 14, 503: 14, 504: 4}


@dataclass(frozen=True, slots=True)
class Signal:
    """One of OTLP's kinds of exports, by the names that its JSON gives the parts."""

    name: str
    groups: str
    scopes: tuple[str, ...]
    items: str
    rejected: str


SPANS = Signal("spans", "resourceSpans", ("scopeSpans", "instrumentationLibrarySpans"), "spans", "rejectedSpans")
LOGS = Signal("logs", "resourceLogs", ("scopeLogs",), "logRecords", "rejectedLogRecords")

RawItem = tuple[Any, dict[str, Any]]
"""A span or log record as OTLP's JSON has it, unchecked, and the group that it came in, with its `resource`."""


def find_encoding(content_type: str) -> Encoding | None:
    """The encoding that a Content-Type names; None for one that OTLP does not know."""
    return MEDIA_TYPES.get(content_type.partition(";")[0].strip().lower())


def media_type(encoding: Encoding) -> str:
    """The Content-Type of an encoding."""
    return _MEDIA_OF[encoding]


def read_items(body: bytes, encoding: Encoding, signal: Signal) -> list[RawItem]:
    """An export's spans or log records, all as OTLP's JSON has them whatever the encoding, in the order sent.

    Unknown fields of JSON are let be. Raises RawStepRefused where the body as a whole is no export.
    """
    return list(_read_json(body, signal) if encoding == "json" else _read_protobuf(body, signal))


def _read_json(body: bytes, signal: Signal) -> Iterator[RawItem]:
    document = parse_json(body)
    if not isinstance(document, dict):
        raise RawStepRefused(f'the body is no OTLP export: a JSON object with "{signal.groups}" is needed')
    for at, group in _objects(document, signal.groups, ""):
        for name in signal.scopes:
            for inside, scope in _objects(group, name, at):
                items = scope.get(signal.items) or []
                if not isinstance(items, list):
                    raise RawStepRefused(f'"{signal.items}" is a list', pointer=f"{inside}/{signal.items}")
                for item in items:
                    yield item, group


def _objects(owner: dict[str, Any], name: str, at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    items = owner.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RawStepRefused(f'"{name}" is a list of objects', pointer=f"{at}/{name}")
    for index, item in enumerate(items):
        yield f"{at}/{name}/{index}", item


def _read_protobuf(body: bytes, signal: Signal) -> Iterator[RawItem]:
    try:
        if signal is SPANS:
            spans = ExportTraceServiceRequest.FromString(body)
            groups = [(group, [(scope.spans) for scope in group.scope_spans]) for group in spans.resource_spans]
        else:
            logs = ExportLogsServiceRequest.FromString(body)
            groups = [(group, [(scope.log_records) for scope in group.scope_logs]) for group in logs.resource_logs]
    except DecodeError as error:
        raise RawStepRefused(f"the body is no OTLP export of {signal.name} in protobuf: {error}") from None
    for group, scopes in groups:
        resource = {"resource": to_json(group.resource)}
        for items in scopes:
            for item in items:
                yield to_json(item), resource


def to_json(message: Message) -> dict[str, Any]:
    """A message as OTLP's JSON has it: protobuf's own, with ids in hex and enumerations as numbers."""
    fields: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    for owner in (fields, *fields.get("links", ())):
        for name in _IDS:
            if name in owner:
                owner[name] = b64decode(owner[name]).hex()
    return fields


def is_id(value: Any, size: int) -> bool:
    """True for an id of so many bytes in hex; ids of zeros only are none."""
    if not isinstance(value, str) or len(value) != 2 * size or not _ONLY_HEX.issuperset(value):
        return False
    return any(binascii.unhexlify(value))


def write_answer(encoding: Encoding, signal: Signal, rejected: int, message: str) -> bytes:
    """What an export is answered with once what was taken is stored; nothing is said of an export taken whole."""
    if encoding == "json":
        partial = {"partialSuccess": {signal.rejected: str(rejected), "errorMessage": message}} if rejected else {}
        return orjson.dumps(partial)
    if not rejected:
        return b""
    if signal is SPANS:
        spans = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
        return bytes(ExportTraceServiceResponse(partial_success=spans).SerializeToString())
    logs = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=message)
    return bytes(ExportLogsServiceResponse(partial_success=logs).SerializeToString())


def write_status(encoding: Encoding, status: int, message: str) -> bytes:
    """An error as google.rpc.Status. Its two fields are written by hand: a package for them alone would be much."""
    code = _CODES.get(status, 13 if status >= HTTPStatus.INTERNAL_SERVER_ERROR else 3)
    if encoding == "json":
        return orjson.dumps({"code": code, "message": message})
    text = message.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
