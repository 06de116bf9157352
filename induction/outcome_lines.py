"""The lines of a table of outcomes: JSON objects, or CSV with a header that names its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from induction.errors import InductionError

FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
COUNTS = ("loc", "fold", "turns")


class OutcomesError(InductionError):
    """A table of outcomes that cannot be used; the message names the file and the line."""


def read_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield where each line stands, for messages, and what it says; empty lines are none. `.csv` is CSV, all else JSON.

    Raises OutcomesError for a file that cannot be read and at the first line that is neither.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OutcomesError(f"{path}: cannot be read: {error.strerror or error}") from None
    if path.suffix.lower() == ".csv":
        yield from _read_csv(path, content)
        return
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                yield where, orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise OutcomesError(f"{where}: is no JSON: {error}") from None


def _read_csv(path: Path, content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        names = rows.fieldnames or ()
        if "success" not in names or not {"run", "run_id"} & set(names):
            raise OutcomesError(
                f"{path}: its first line must name the columns run and success (and task, if there is one); "
                f"it says {', '.join(names)[:200] or 'nothing'}"
            )
        for row in rows:
            yield f"{path}, line {rows.line_num}", {name: _to_value(name, row[name]) for name in names if row[name]}
    except UnicodeDecodeError as error:
        raise OutcomesError(f"{path}: is not UTF-8: {error.reason} at byte {error.start}") from None
    except csv.Error as error:
        raise OutcomesError(f"{path}: is no CSV: {error}") from None


def _to_value(name: str, text: str) -> Any:
    """Return what a cell says in the type that its column has; a word that it may not have stays text."""
    if name == "success":
        return FLAGS.get(text.strip().lower(), text)
    return int(text) if name in COUNTS and text.strip().isdecimal() else text
