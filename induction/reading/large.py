"""A file too large to be parsed at once: its lines, or the items of a list in it, one by one, and a sample of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO

from induction.reading.documents import (
    LINE_ENDINGS,
    MAX_RUN_BYTES,
    WHOLE_BYTES,
    Container,
    Document,
    has_ending,
    is_binary,
    looks_structured,
    parse_bytes,
    parse_text,
    utf8_stream,
)
from induction.reading.files import RawFile, ReadFault
from induction.reading.scanner import JsonScanner
from induction.reading.values import parse_json
from monitors.adapter.spans import flatten_spans
from monitors.stepview import JsonValue, to_text

Report = Callable[[ReadFault], None]

SAMPLE_BYTES = 16 << 20
MAX_SAMPLE_DEPTH = 12


@dataclass(frozen=True, slots=True)
class LargeDocument:
    """A JSON document or JSON lines that is read item by item."""

    file: RawFile
    container: Container
    lines: bool

    @property
    def path(self) -> str:
        """Its path inside RAW."""
        return self.file.path


def open_document(file: RawFile, container: Container | None = None) -> Document | LargeDocument | ReadFault:
    """Return a file's document: parsed where it is small, to be read item by item where it is large JSON. Its first
    bytes say what it is.
    """
    try:
        with _open(file) as stream:
            head = stream.read(WHOLE_BYTES + 1)
            if len(head) > WHOLE_BYTES and (container == "text" or not looks_structured(head)):
                return _read_text(file, head, stream, container)
    except Exception as error:  # noqa: BLE001 - decompressors raise many kinds; one bad file must not stop the others
        return ReadFault(file.path, f"cannot be read: {error}")
    if len(head) <= WHOLE_BYTES:
        return parse_bytes(file.path, head, container)
    lines = has_ending(file.path, LINE_ENDINGS) or _begins_with_a_line(head)
    is_spans = container in (None, "otlp") and _begins_with_spans(file)
    return LargeDocument(file, "otlp" if is_spans else "json", lines)


def iter_values(large: LargeDocument, keys: tuple[str, ...], report: Report) -> Iterator[tuple[int, JsonValue]]:
    """Yield (number, value) for each line, or for each item of the list at a path of keys; nothing if there is none.
    Blank lines have no number.

    `report` hears of items that are broken or larger than a run may be, and of where a truncated file ends.
    """
    number = -1
    try:
        with _open(large.file) as stream:
            for number, what, data in _iter_lines(stream) if large.lines else _iter_items(stream, keys):
                if data is None:
                    report(ReadFault(large.path, f"{what} is larger than {MAX_RUN_BYTES >> 20} MiB"))
                    continue
                try:
                    value = parse_json(data)
                except ValueError:
                    report(ReadFault(large.path, f"{what} is no JSON"))
                    continue
                yield number, value
    except Exception as error:  # noqa: BLE001 - as above: a broken stream ends this file, not the others
        report(ReadFault(large.path, f"is broken or truncated after {number + 1} items: {str(error)[:120]}"))


def iter_spans(large: LargeDocument, report: Report) -> Iterator[JsonValue]:
    """Yield the spans of an OTLP export, or of a line or list of exports each, flat, as `flatten_spans` gives them.

    In a part larger than the buffer a resource must stand before its spans, as exporters write it.
    """
    if large.lines:
        for _, value in iter_values(large, (), report):
            yield from flatten_spans(value)
        return
    found = 0
    try:
        with _open(large.file) as stream:
            for span in _walk_spans(JsonScanner(stream), _EXPORT_KEYS, {}):
                found += 1
                yield span
    except Exception as error:  # noqa: BLE001 - as above
        report(ReadFault(large.path, f"is broken or truncated after {found} spans: {str(error)[:120]}"))


_EXPORT_KEYS = (("resourceSpans",), ("scopeSpans", "instrumentationLibrarySpans"), ("spans",))


def _walk_spans(
    scanner: JsonScanner, levels: tuple[tuple[str, ...], ...], resource: dict[str, JsonValue]
) -> Iterator[JsonValue]:
    """Descend through the lists that the levels name; what fits into the buffer is flattened as it is."""
    small = scanner.take_buffered()
    if small is not None:
        yield from _flatten_part(small[0], levels, resource)
    elif scanner.peek() == b"[":
        for _ in scanner.iter_items():
            yield from _walk_spans(scanner, levels, resource)
    elif scanner.peek() != b"{" or not levels:
        data = scanner.take(MAX_RUN_BYTES)
        if data is not None:
            yield from _flatten_part(parse_json(data), levels, resource)
    else:
        for key in scanner.iter_members():
            if key in levels[0]:
                yield from _walk_spans(scanner, levels[1:], resource)
            elif key == "resource":
                data = scanner.take(WHOLE_BYTES)
                resource = {"resource": parse_json(data)} if data is not None else resource
            else:
                scanner.skip()


def _flatten_part(
    value: JsonValue, levels: tuple[tuple[str, ...], ...], resource: dict[str, JsonValue]
) -> Iterator[JsonValue]:
    """Give the spans of a part of an export: wrap it into what stood around it."""
    items = value if isinstance(value, list) else [value]
    if len(levels) == 3:
        yield from flatten_spans(list(items))
        return
    scopes: list[JsonValue] = [{"spans": list(items)}] if not levels else []
    if len(levels) == 1:
        scopes = list(items)
    groups: list[JsonValue] = [{**resource, "scopeSpans": scopes}] if len(levels) < 2 else list(items)
    yield from flatten_spans({"resourceSpans": groups})


def sample_large(large: LargeDocument, report: Report) -> Document:
    """Return the beginning of every long list of a document, or its first lines: about 16 MB at most.

    Only beginnings, so that a run has the number in the sample that it has in the file.
    """
    if large.container == "otlp":
        return Document(large.path, "otlp", _until_spent(iter_spans(large, report)))
    if large.lines:
        return Document(large.path, "json", _until_spent(value for _, value in iter_values(large, (), report)))
    holder: list[JsonValue] = []
    try:
        with _open(large.file) as stream:
            _Sampler(JsonScanner(stream)).read_into(holder.append, 0)
    except Exception as error:  # noqa: BLE001 - as above
        report(ReadFault(large.path, f"is broken or truncated: {str(error)[:120]}"))
    return Document(large.path, "json", holder[0] if holder else None)


class _Sampler:
    """Reads a document with every long list or object cut short. What was read stays where the document breaks off."""

    def __init__(self, scanner: JsonScanner) -> None:
        self._scanner = scanner
        self._left = SAMPLE_BYTES

    def read_into(self, put: Callable[[JsonValue], None], depth: int) -> bool:
        """Hand over the value that stands here, cut short where it is large; return whether it is whole."""
        scanner = self._scanner
        before = scanner.passed
        small = scanner.take_buffered()
        if small is not None:
            self._left -= scanner.passed - before
            put(small[0])
            return True
        first = scanner.peek()
        if first not in (b"{", b"[") or depth >= MAX_SAMPLE_DEPTH:
            data = scanner.take(WHOLE_BYTES // 2)
            self._left -= len(data) if data is not None else 0
            put(parse_json(data) if data is not None else None)
            return data is not None
        # Half of what is left for each: the lists of one object all get a share.
        floor = self._left // 2
        if first == b"[":
            return self._read_list(put, floor, depth)
        return self._read_object(put, floor, depth)

    def _read_list(self, put: Callable[[JsonValue], None], floor: int, depth: int) -> bool:
        items: list[JsonValue] = []
        put(items)
        for _ in self._scanner.iter_items():
            # An item cut short ends the list: items inside later ones would get other numbers than in the file.
            if not self.read_into(items.append, depth + 1) or self._left <= floor:
                self._scanner.skip_rest()
                return False
        return True

    def _read_object(self, put: Callable[[JsonValue], None], floor: int, depth: int) -> bool:
        members: dict[str, JsonValue] = {}
        put(members)
        whole = True
        for key in self._scanner.iter_members():
            if self._left <= floor // 8:
                self._scanner.skip_rest()
                return False
            whole = self.read_into(partial(members.__setitem__, key), depth + 1) and whole
        return whole


def _until_spent(values: Iterator[JsonValue]) -> list[JsonValue]:
    kept: list[JsonValue] = []
    left = SAMPLE_BYTES // 2
    for value in values:
        kept.append(value)
        left -= len(to_text(value))
        if left <= 0:
            break
    return kept


@contextmanager
def _open(file: RawFile) -> Iterator[IO[bytes]]:
    with file.open() as stream, utf8_stream(stream) as recoded:
        yield recoded


def _read_text(file: RawFile, head: bytes, stream: IO[bytes], container: Container | None) -> Document | ReadFault:
    if container in ("json", "otlp"):
        return ReadFault(file.path, f"is no {container} document")
    data = head if is_binary(head) else head + stream.read(MAX_RUN_BYTES)
    if len(data) > MAX_RUN_BYTES:
        return ReadFault(file.path, f"is larger than {MAX_RUN_BYTES >> 20} MiB")
    return parse_text(file.path, data)


def _iter_items(stream: IO[bytes], keys: tuple[str, ...]) -> Iterator[tuple[int, str, bytes | None]]:
    scanner = JsonScanner(stream)
    if scanner.find(keys) and scanner.peek() == b"[":
        for number in scanner.iter_items():
            yield number, f"item {number}", scanner.take(MAX_RUN_BYTES)


def _iter_lines(stream: IO[bytes]) -> Iterator[tuple[int, str, bytes | None]]:
    """Yield (number among them, name for people, bytes) for each line that is not blank."""
    number = place = 0
    while line := stream.readline(MAX_RUN_BYTES + 1):
        place += 1
        too_long = len(line) > MAX_RUN_BYTES
        while len(line) > MAX_RUN_BYTES and not line.endswith(b"\n"):
            line = stream.readline(MAX_RUN_BYTES + 1)
        if too_long or line.strip():
            yield number, f"line {place}", None if too_long else line
            number += 1


def _begins_with_a_line(head: bytes) -> bool:
    """Return whether the first line is a whole JSON object or list and another follows."""
    line, _, rest = head.lstrip().partition(b"\n")
    if rest.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        return isinstance(parse_json(line), dict | list)
    except ValueError:
        return False


def _begins_with_spans(file: RawFile) -> bool:
    """Return whether the document, the first item of a list, or the first line is an OTLP export."""
    try:
        with _open(file) as stream:
            scanner = JsonScanner(stream)
            if scanner.peek() == b"[":
                next(scanner.iter_items(), None)
            return scanner.peek() == b"{" and scanner.find(("resourceSpans",)) and scanner.peek() == b"["
    except Exception:  # noqa: BLE001 - what is broken is named when it is read
        return False
