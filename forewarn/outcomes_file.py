"""Outcomes in a file: CSV with a header, or a JSON object a line. A line that says nothing usable says why."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitors.errors import ForewarnError

WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
MAX_LINE_CHARS = 100_000
_SHOWN = 60


class OutcomesFileError(ForewarnError):
    """The file as a whole cannot be read as outcomes."""


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What one line says. `fault` is why it cannot be used, "" where it can."""

    line: int
    run_id: str
    success: bool = False
    intervened: bool | None = None
    fault: str = ""


def read_outcomes(path: Path) -> Iterator[FileOutcome]:
    """Each line's outcome, in order; empty lines are none. `.csv` is CSV, all else JSON lines. Columns and fields other
    than run_id, success and intervened are passed over. Raises OutcomesFileError, OSError.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _read_csv(path, file) if path.suffix.lower() == ".csv" else _read_lines(file)
    except UnicodeDecodeError as error:
        raise OutcomesFileError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    except csv.Error as error:
        raise OutcomesFileError(f"{path} is no CSV: {error}") from None


def _read_csv(path: Path, file: Any) -> Iterator[FileOutcome]:
    rows = csv.DictReader(file)
    missing = [name for name in ("run_id", "success") if name not in (rows.fieldnames or ())]
    if missing:
        raise OutcomesFileError(f"{path} has no column {' and no column '.join(missing)}: its first line names them")
    for row in rows:
        yield _to_outcome(rows.line_num, row)


def _read_lines(file: Any) -> Iterator[FileOutcome]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE_CHARS:
            yield FileOutcome(number, "", fault=f"the line is longer than {MAX_LINE_CHARS:,} characters")
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield FileOutcome(number, "", fault="this is no JSON")
            continue
        if isinstance(row, dict):
            yield _to_outcome(number, row)
        else:
            yield FileOutcome(number, "", fault='this is no object: {"run_id": text, "success": true} is needed')


def _to_outcome(number: int, row: dict[str, Any]) -> FileOutcome:
    run_id = row.get("run_id")
    if not isinstance(run_id, str) or not run_id:
        return FileOutcome(number, "", fault="there is no run_id")
    try:
        success = _to_flag(row.get("success"), "success")
        if success is None:
            return FileOutcome(number, run_id, fault="success is empty: true or false is needed")
        return FileOutcome(number, run_id, success, _to_flag(row.get("intervened"), "intervened"))
    except ValueError as error:
        return FileOutcome(number, run_id, fault=str(error))


def _to_flag(value: Any, name: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if not text:
        return None
    if text not in WORDS:
        raise ValueError(f"{name} is {text[:_SHOWN]!r}: true or false is needed")
    return WORDS[text]
