"""One file's bytes as a document: JSON, JSONL (the list of its lines' values), OTLP (the list of its spans), or
text.
"""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass, replace
from typing import IO, Any, Literal, cast

from induction.reading.files import RawFile, ReadFault
from induction.reading.notebooks import is_notebook, with_joined_lines
from induction.reading.values import parse_json
from monitors.adapter.spans import flatten_spans, is_span_document
from monitors.adapter.spec import Source
from monitors.adapter.terminal import strip_terminal
from monitors.stepview import JsonValue

Container = Literal["json", "text", "otlp"]

MAX_RUN_BYTES = 256 << 20
"""A run, and a file that is one, is parsed in memory: one beyond this is reported, not read."""
WHOLE_BYTES = 8 << 20
"""A file up to this size is parsed at once; a larger one run by run."""
LINE_ENDINGS = (".jsonl", ".ndjson")
_PACKED_ENDINGS = (".gz", ".xz", ".bz2")
_WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True, slots=True)
class Document:
    """What a file, or a folder that is one run, holds: `value` for json and otlp, `text` for text; `faults` names the
    lines that were skipped, `places` the numbers that the other lines have in the file.

    `reading` are the parts of a spec's `source` under which RAW reads like this document: a folder's files as one
    document, trees of events as flat lists. Given by sampling alone, the same for all its documents.
    """

    path: str
    container: Container
    value: JsonValue = None
    text: str = ""
    faults: tuple[ReadFault, ...] = ()
    places: tuple[int, ...] | None = None
    reading: tuple[tuple[str, Any], ...] = ()

    def read_as(self, source: Source) -> Source:
        """Return a source with this document's `reading` in it."""
        return source.model_copy(update=dict(self.reading))


def parse_document(
    file: RawFile, container: Container | None = None, max_bytes: int = MAX_RUN_BYTES
) -> Document | ReadFault:
    """Return a file's document, or why it has none. With `container` given the file is read as that, else as what it
    looks like.
    """
    try:
        with file.open() as stream:
            data = stream.read(max_bytes + 1)
    except Exception as error:  # noqa: BLE001 - decompressors raise many kinds; one bad file must not stop the others
        return ReadFault(file.path, f"cannot be read: {error}")
    if len(data) > max_bytes:
        return ReadFault(file.path, f"is larger than {max_bytes >> 20} MiB")
    return parse_bytes(file.path, data, container)


def parse_bytes(path: str, data: bytes, container: Container | None = None) -> Document | ReadFault:
    """Return the document that a whole file's bytes are, as `parse_document`."""
    data = to_utf8(data)
    if not data.strip():
        return ReadFault(path, "is empty")
    if container == "text":
        return parse_text(path, data)
    parsed = _parse_structured(path, data) if looks_structured(data) else None
    if isinstance(parsed, Document) and is_notebook(parsed.value):
        parsed = replace(parsed, value=with_joined_lines(parsed.value))
    if isinstance(parsed, Document):
        return _as_spans(parsed) if container in (None, "otlp") and is_span_document(parsed.value) else parsed
    if parsed is not None and (container is not None or has_ending(path, (".json", *LINE_ENDINGS))):
        return parsed
    if container is not None:
        return ReadFault(path, f"is no {container} document")
    return parse_text(path, data)


def parse_text(path: str, data: bytes) -> Document | ReadFault:
    """Return a log as its reader would see it: without terminal codes."""
    if is_binary(data):
        return ReadFault(path, "is binary")
    return Document(path, "text", text=strip_terminal(data.decode("utf-8", "replace")))


def is_binary(data: bytes) -> bool:
    """Return whether bytes are no text: text has no null bytes."""
    return b"\x00" in data[:8192]


def looks_structured(data: bytes) -> bool:
    """Return whether bytes begin as a JSON object or list does."""
    return data[:4096].lstrip()[:1] in (b"{", b"[")


def has_ending(path: str, endings: tuple[str, ...]) -> bool:
    """Return whether a file's name, without the ending of a compression, ends in one of some endings."""
    name = path.lower()
    for packed in _PACKED_ENDINGS:
        name = name.removesuffix(packed)
    return name.endswith(endings)


def to_utf8(data: bytes) -> bytes:
    """Return text bytes as UTF-8 without a byte order mark; only a mark tells another encoding, none is guessed."""
    for mark, encoding in _WIDE_MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace").encode("utf-8")
    return data.removeprefix(codecs.BOM_UTF8)


def utf8_stream(stream: IO[bytes]) -> IO[bytes]:
    """Return a stream from which `to_utf8`'s bytes are read, whatever its size. The stream given must have `peek`."""
    head: bytes = stream.peek(4)[:4]  # type: ignore[attr-defined]
    encoding = next((name for mark, name in _WIDE_MARKS.items() if head.startswith(mark)), None)
    if encoding is not None:
        return cast("IO[bytes]", io.BufferedReader(_Recoded(stream, encoding), 1 << 20))
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    return stream


class _Recoded(io.RawIOBase):
    """UTF-8 bytes of a stream in another encoding."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        while not self._ready:
            data = self._stream.read(len(view))
            self._ready = self._decoder.decode(data, final=not data).encode("utf-8", "replace")
            if not data:
                break
        piece, self._ready = self._ready[: len(view)], self._ready[len(view) :]
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _as_spans(document: Document) -> Document:
    return Document(document.path, "otlp", list[JsonValue](flatten_spans(document.value)), faults=document.faults)


def _parse_structured(path: str, data: bytes) -> Document | ReadFault:
    if has_ending(path, LINE_ENDINGS):
        return _parse_lines(path, data)
    try:
        return Document(path, "json", parse_json(data))
    except ValueError as error:
        lines = _parse_lines(path, data)
        if isinstance(lines, Document):
            return lines
        return ReadFault(path, f"is broken or truncated JSON: {str(error)[:120]}")


def _parse_lines(path: str, data: bytes) -> Document | ReadFault:
    values: list[JsonValue] = []
    places: list[int] = []
    faults: list[ReadFault] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            values.append(parse_json(line))
            places.append(len(places) + len(faults))
        except ValueError:
            faults.append(ReadFault(path, f"line {number} is no JSON"))
    if len(values) < max(1, len(faults)):
        return ReadFault(path, "is neither a JSON document nor JSON lines")
    return Document(path, "json", values, faults=tuple(faults), places=tuple(places) if faults else None)
