"""Runs that are one text inside a document: a dialogue in a field, a log in pieces of what a terminal printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from induction.adapters.lists import split_at_run
from induction.adapters.markers import find_markers
from induction.adapters.textlogs import infer_text_event
from induction.adapters.vocabulary import PRINTED_VALUES
from induction.reading.documents import Document
from monitors.adapter.blocks import split_blocks
from monitors.adapter.pointers import compile_pointer, join_pointer
from monitors.adapter.spec import Event
from monitors.adapter.terminal import strip_terminal
from monitors.stepview import JsonValue

MIN_CHARS = 80
MIN_LINES = 4
MIN_SHARE = 0.4
MIN_BLOCKS = 4.0
MIN_TEXTS = 5
MAX_TEXTS = 80
MAX_CHARS = 20_000
MAX_ITEMS = 48
MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class EmbeddedText:
    """Where the texts of runs stand (as `runs` and `events` of a source), how they are read, and notes for people."""

    runs: str
    events: str
    event: Event
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Texts:
    chars: int = 0
    texts: list[str] = field(default_factory=list)


def find_embedded_text(documents: Sequence[Document]) -> EmbeddedText | None:
    """Return how runs are texts inside JSON documents, or None where their steps are items.

    Such a text is most of what there is to read, differs from run to run, and comes apart at the same markers several
    times; an agent acts in it and something answers or is said to it.
    """
    found: dict[tuple[str, ...], _Texts] = {}
    total = sum(_collect(document.value, (), found) for document in documents)
    ranked = sorted(found.items(), key=lambda item: (-item[1].chars, item[0]))
    for path, held in ranked[:2]:
        if held.chars >= MIN_SHARE * total and len(set(held.texts)) >= max(MIN_TEXTS, 0.8 * len(held.texts)):
            reading = _read(held.texts)
            if reading is not None:
                runs, events = split_at_run(join_pointer((*path, "*")))
                return EmbeddedText(runs, events.removesuffix("/*"), *reading)
    return _find_printed(documents)


def _read(texts: Sequence[str]) -> tuple[Event, tuple[str, ...]] | None:
    markers = find_markers(texts)
    inferred = infer_text_event(texts) if markers is not None else None
    if inferred is None or inferred[0].blocks is None:
        return None
    event, notes = inferred
    counts = [len(split_blocks(text, inferred[0].blocks)) for text in texts[:MAX_ITEMS]]
    sides = {bool(case.acts or case.fields.action) for case in event.cases}
    both = len(sides) == 2 or any(case.acts and case.fields.result for case in event.cases)
    return (event, tuple(notes)) if both and sum(counts) >= MIN_BLOCKS * len(counts) else None


def _collect(value: JsonValue, path: tuple[str, ...], found: dict[tuple[str, ...], _Texts], depth: int = 0) -> int:
    """Gather texts of several lines by path; return the characters of all strings."""
    if isinstance(value, str):
        if len(value) >= MIN_CHARS and value.count("\n") >= MIN_LINES - 1:
            held = found.setdefault(path, _Texts())
            held.chars += len(value)
            held.texts += [strip_terminal(value[:MAX_CHARS])] if len(held.texts) < MAX_TEXTS else []
        return len(value)
    if depth >= MAX_DEPTH:
        return 0
    if isinstance(value, dict):
        return sum(_collect(item, (*path, key), found, depth + 1) for key, item in value.items())
    if isinstance(value, list):
        return sum(_collect(item, (*path, "*"), found, depth + 1) for item in value[:MAX_ITEMS])
    return 0


def _find_printed(documents: Sequence[Document]) -> EmbeddedText | None:
    """Recordings of a terminal that hold only what it printed: their pieces make one text, with prompts in it."""
    if len(documents) < 2:
        return None
    columns = Counter(column for document in documents for column in _printed_columns(document.value))
    column = next((one for one, count in columns.most_common(1) if count >= 0.8 * len(documents)), None)
    if column is None:
        return None
    pieces = compile_pointer(f"/*/{column}", 1 << 62)
    texts = [strip_terminal("".join(str(piece) for piece in pieces(document.value))) for document in documents]
    markers = find_markers(texts)
    if markers is None or not markers.then:
        return None
    reading = _read(texts)
    return EmbeddedText("", f"/*/{column}", *reading) if reading is not None else None


def _printed_columns(value: JsonValue) -> Iterator[str]:
    rows = [item for item in value if isinstance(item, dict) and "0" in item] if isinstance(value, list) else []
    if len(rows) < 2:
        return
    kinds = {
        str(row.get(key)) for row in rows for key in row if len(str(row.get(key))) <= 8 and not _is_number(row.get(key))
    }
    texts = Counter(key for row in rows for key, cell in row.items() if isinstance(cell, str) and "\n" in cell)
    if texts and kinds & PRINTED_VALUES and not kinds & {"i", "in", "stdin"}:
        yield texts.most_common(1)[0][0]


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float)
