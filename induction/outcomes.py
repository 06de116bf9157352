"""Outcomes of finished runs, as `runs.jsonl` lists them: the only labels that training reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from induction.errors import InductionError

_KNOWN = ("run", "file", "loc", "task", "success", "fold", "turns")


class OutcomesError(InductionError):
    """A table of outcomes that cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """The outcome of one run. `file` and `loc` say where it stands in RAW; `turns` and `fold` are None where the
    table has none.
    """

    run: str
    file: str
    loc: int | None
    task: str
    success: bool
    fold: int | None = None
    turns: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def read_outcomes(path: Path) -> list[OutcomeRow]:
    """Return the rows of a JSONL table in its order. Raises OutcomesError with the line number at the first bad row."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise OutcomesError(f"{path}: cannot be read: {error.strerror or error}") from None
    rows = [_parse_row(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise OutcomesError(
            f"{path}: holds no outcomes; each line must be an object with run, file, loc, task, success"
        )
    seen: dict[tuple[str, int | None], str] = {}
    for row in rows:
        other = seen.setdefault((row.file, row.loc), row.run)
        if other != row.run:
            raise OutcomesError(f"{path}: runs {other!r} and {row.run!r} stand at the same place {row.file}#{row.loc}")
    return rows


class OutcomeTable:
    """Outcomes looked up by where a run stands in RAW."""

    def __init__(self, rows: Iterable[OutcomeRow]) -> None:
        self.rows = list(rows)
        self._by_place = {(row.file, row.loc): row for row in self.rows}
        self._locs: dict[str, int] = {}
        for row in self.rows:
            self._locs[row.file] = self._locs.get(row.file, 0) + 1
        self._names: dict[str, str | None] = {}
        for file in self._locs:
            name = file.rsplit("/", 1)[-1]
            self._names[name] = file if name not in self._names else None

    def find(self, file: str, loc: int | None) -> OutcomeRow | None:
        """Return the row of a run, or None.

        A file that is one run may be written with `loc` null or 0. Where RAW was given one folder higher or lower
        than the table assumes, a file is found by its name if that name is unique.
        """
        if file not in self._locs:
            file = self._names.get(file.rsplit("/", 1)[-1]) or file
        row = self._by_place.get((file, loc))
        if row is None and self._locs.get(file) == 1 and loc in (None, 0):
            row = self._by_place.get((file, 0 if loc is None else None))
        return row


def _parse_row(line: bytes, where: str) -> OutcomeRow:
    try:
        raw_row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise OutcomesError(f"{where}: is no JSON: {error}") from None
    if not isinstance(raw_row, dict):
        raise OutcomesError(f"{where}: must be an object, is a {type(raw_row).__name__}")
    faults = [
        *(f"{key!r} must be a text" for key in ("run", "file", "task") if not isinstance(raw_row.get(key), str)),
        *(["'success' must be true or false"] if not isinstance(raw_row.get("success"), bool) else []),
        *(
            f"{key!r} must be a whole number or null"
            for key in ("loc", "fold", "turns")
            if not _is_count(raw_row.get(key))
        ),
    ]
    if faults:
        raise OutcomesError(f"{where}: {'; '.join(faults)}")
    extra = {key: value for key, value in raw_row.items() if key not in _KNOWN}
    return OutcomeRow(
        run=raw_row["run"],
        file=raw_row["file"],
        loc=raw_row.get("loc"),
        task=raw_row["task"],
        success=raw_row["success"],
        fold=raw_row.get("fold"),
        turns=raw_row.get("turns"),
        extra=extra,
    )


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
