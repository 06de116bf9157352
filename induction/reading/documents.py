"""One file's bytes as a document: JSON, JSONL (the list of its lines' values), OTLP (the list of its spans), or
text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import orjson

from induction.reading.files import MAX_FILE_BYTES, RawFile, ReadFault
from monitors.adapter.spans import flatten_spans, is_span_document
from monitors.stepview import JsonValue

Container = Literal["json", "text", "otlp"]

BROKEN_ARCHIVE_MEMBER = (OSError, EOFError, ValueError)


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds: `value` for json and otlp, `text` for text; `faults` names the lines that were skipped."""

    path: str
    container: Container
    value: JsonValue = None
    text: str = ""
    faults: tuple[ReadFault, ...] = ()


def parse_document(file: RawFile, container: Container | None = None) -> Document | ReadFault:
    """Return a file's document, or why it has none. With `container` given the file is read as that, else as what it
    looks like.
    """
    if file.size > MAX_FILE_BYTES:
        return ReadFault(file.path, f"is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        data = file.read()
    except Exception as error:  # noqa: BLE001 - decompressors raise many kinds; one bad file must not stop the others
        return ReadFault(file.path, f"cannot be read: {error}")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        return ReadFault(file.path, "is empty")
    if container == "text":
        return _parse_text(file.path, data)
    parsed = _parse_json(file.path, data) if data.lstrip()[:1] in (b"{", b"[") else None
    if isinstance(parsed, Document):
        return _as_spans(parsed) if container in (None, "otlp") and is_span_document(parsed.value) else parsed
    if parsed is not None and (container is not None or file.path.lower().endswith((".json", ".jsonl", ".ndjson"))):
        return parsed
    if container is not None:
        return ReadFault(file.path, f"is no {container} document")
    return _parse_text(file.path, data)


def _as_spans(document: Document) -> Document:
    return Document(document.path, "otlp", list[JsonValue](flatten_spans(document.value)), faults=document.faults)


def _parse_json(path: str, data: bytes) -> Document | ReadFault:
    if path.lower().removesuffix(".gz").removesuffix(".xz").endswith((".jsonl", ".ndjson")):
        return _parse_lines(path, data)
    try:
        return Document(path, "json", _loads(data))
    except ValueError as error:
        lines = _parse_lines(path, data)
        if isinstance(lines, Document):
            return lines
        return ReadFault(path, f"is broken or truncated JSON: {str(error)[:120]}")


def _parse_lines(path: str, data: bytes) -> Document | ReadFault:
    values: list[JsonValue] = []
    faults = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            values.append(_loads(line))
        except ValueError:
            faults.append(ReadFault(path, f"line {number} is no JSON"))
    if len(values) < max(1, len(faults)):
        return ReadFault(path, "is neither a JSON document nor JSON lines")
    return Document(path, "json", values, faults=tuple(faults))


def _loads(data: bytes) -> JsonValue:
    """orjson is strict; the standard library also takes NaN and Infinity, which many tracers write."""
    value: JsonValue
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(data)
        except RecursionError:
            raise ValueError("is nested too deeply") from None
    return value


def _parse_text(path: str, data: bytes) -> Document | ReadFault:
    if b"\x00" in data[:8192]:
        return ReadFault(path, "is binary")
    return Document(path, "text", text=data.decode("utf-8", "replace"))
