"""What of the traces a model is shown: a few documents, each cut down to its shape, with secrets masked.

Of a list come items of different shapes rather than the first ones, of a text its beginning: what tells how to read
it, in as few characters as that takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from induction.adapters.llm.masking import MASK, is_secret_name, mask_text
from induction.adapters.sampling import spread
from induction.reading.documents import Document
from monitors.adapter.bounded import bound_text
from monitors.stepview import JsonValue

SHOWN_DOCUMENTS = 3
SHOWN_PATHS = 12
SCANNED_ITEMS = 400
SCANNED_CHARS = 8_000
MAX_DEPTH = 10
MAX_KEYS = 40
SECTION_CHARS = 7_000


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a document is kept: characters of a text, items of a list, lines of a log."""

    chars: int
    items: int
    lines: int


DETAILS = (Detail(240, 8, 50), Detail(120, 6, 30), Detail(60, 4, 15), Detail(40, 3, 10))


@dataclass(frozen=True, slots=True)
class Shown:
    """The text for the model, and the files that it shows: their runs must not judge what the model says."""

    text: str
    files: frozenset[str]


def show_documents(documents: Sequence[Document]) -> Shown:
    """Return what to show of some documents; at most about 22,000 characters, always the same for the same
    documents.
    """
    chosen = spread(documents, SHOWN_DOCUMENTS)
    paths = [mask_text(document.path)[:200] for document in spread(documents, SHOWN_PATHS)]
    head = f"{len(documents)} files were sampled, such as: {', '.join(paths)}. Container: {documents[0].container}."
    sections = [
        f"=== document {number} ({mask_text(document.path)[:200]}) ===\n{_show(document)}"
        for number, document in enumerate(chosen, 1)
    ]
    text = bound_text("\n\n".join([head, *sections]), 2 * SHOWN_DOCUMENTS * SECTION_CHARS)
    return Shown(text, frozenset(document.path for document in chosen))


def _show(document: Document) -> str:
    text = ""
    for detail in DETAILS:
        text = (
            _show_lines(document.text, detail)
            if document.container == "text"
            else orjson.dumps(_trim(document.value, detail, MAX_DEPTH)).decode()
        )
        if len(text) <= SECTION_CHARS:
            return text
    return f"{text[:SECTION_CHARS]} …"


def _show_lines(text: str, detail: Detail) -> str:
    lines = mask_text(text[: 4 * SCANNED_CHARS]).splitlines()
    shown = [_shorten(line, detail.chars) for line in lines[: detail.lines]]
    last = mask_text(text[-SCANNED_CHARS:]).splitlines()[-5:] if len(text) > 4 * SCANNED_CHARS else lines[-5:]
    if len(lines) <= detail.lines:
        return "\n".join(shown)
    return "\n".join([*shown, "[… lines left out …]", *(_shorten(line, detail.chars) for line in last)])


def _trim(value: JsonValue, detail: Detail, depth: int) -> JsonValue:
    if isinstance(value, str):
        return _shorten(mask_text(value[:SCANNED_CHARS]), detail.chars, len(value))
    if isinstance(value, dict):
        if depth <= 0:
            return f"[… an object of {len(value)} keys …]"
        kept = {
            mask_text(bound_text(str(key), 120)): MASK if _is_secret(key, item) else _trim(item, detail, depth - 1)
            for key, item in list(value.items())[:MAX_KEYS]
        }
        return kept if len(value) <= MAX_KEYS else {**kept, "…": f"{len(value) - MAX_KEYS} more keys"}
    if isinstance(value, list):
        return _trim_list(value, detail, depth)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
        return "[a huge number]"
    return value


def _is_secret(key: str, value: JsonValue) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and is_secret_name(str(key))


def _trim_list(items: list[JsonValue], detail: Detail, depth: int) -> JsonValue:
    if depth <= 0:
        return f"[… a list of {len(items)} items …]"
    scanned = items[:SCANNED_ITEMS]
    told = _telling_keys(scanned)
    seen: dict[str, int] = {}
    kept: list[int] = []
    for index, item in enumerate(scanned):
        shape = _shape(item, told)
        seen[shape] = seen.get(shape, 0) + 1
        if (seen[shape] <= 1 or index < 2) and len(kept) < detail.items:
            kept.append(index)
    if len(items) > 1 and len(items) - 1 not in kept:
        kept.append(len(items) - 1)
    trimmed: list[JsonValue] = []
    after = 0
    for index in kept:
        trimmed += [f"[… {index - after} items left out …]"] if index > after else []
        trimmed.append(_trim(items[index], detail, depth - 1))
        after = index + 1
    return trimmed


def _telling_keys(items: Sequence[JsonValue]) -> frozenset[str]:
    """Return the keys that take few short values over a list: they may tell kinds of items apart."""
    values: dict[str, set[str]] = {}
    for item in items:
        for key, value in item.items() if isinstance(item, dict) else ():
            if isinstance(value, str) and len(value) <= 40:
                values.setdefault(key, set()).add(value)
    return frozenset(key for key, found in values.items() if len(found) <= 12 and 2 * len(found) <= len(items))


def _shape(item: JsonValue, told: frozenset[str]) -> str:
    if not isinstance(item, dict):
        return type(item).__name__
    parts = (
        f"{key}={value}" if key in told and isinstance(value, str) else f"{key}:{type(value).__name__}"
        for key, value in item.items()
        if value not in (None, "", [], {})
    )
    return " ".join(sorted(parts))


def _shorten(text: str, chars: int, whole: int | None = None) -> str:
    length = len(text) if whole is None else whole
    kept = bound_text(text, chars)
    return kept if length <= chars else f"{kept}[… {length - chars} more characters]"
