"""Outcomes of finished runs, as `runs.jsonl` or a CSV lists them: the only labels that training reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from induction.outcome_lines import FLAGS, OutcomesError, read_lines

__all__ = ["OutcomeRow", "OutcomeTable", "OutcomesError", "read_outcomes"]

_KNOWN = ("run", "file", "loc", "task", "success", "fold", "turns")


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """The outcome of one run. `file` and `loc` say where it stands in RAW; without a `file` the run is known by its id.
    `task` is "" and `turns` and `fold` are None where the table has none.
    """

    run: str
    file: str | None
    loc: int | None
    task: str
    success: bool
    fold: int | None = None
    turns: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def read_outcomes(path: Path) -> list[OutcomeRow]:
    """Return the rows of a table, JSON lines or CSV, in its order. Raises OutcomesError with the line number at the
    first bad row.
    """
    rows = [_parse_row(raw_row, where) for where, raw_row in read_lines(path)]
    if not rows:
        raise OutcomesError(
            f"{path}: holds no outcomes; each line must be an object with run, task, success, and file and loc where "
            "runs have no id of their own"
        )
    seen: dict[tuple[str, int | None], str] = {}
    by_id: dict[str, bool] = {}
    for row in rows:
        if row.file is None:
            if by_id.setdefault(row.run, row.success) != row.success:
                raise OutcomesError(f"{path}: run {row.run!r} stands there as a success and as a failure")
            continue
        other = seen.setdefault((row.file, row.loc), row.run)
        if other != row.run:
            raise OutcomesError(f"{path}: runs {other!r} and {row.run!r} stand at the same place {row.file}#{row.loc}")
    return rows


class OutcomeTable:
    """Outcomes looked up by where a run stands in RAW, or by its id."""

    def __init__(self, rows: Iterable[OutcomeRow]) -> None:
        self.rows = list(rows)
        self._by_place = {(row.file, row.loc): row for row in self.rows if row.file is not None}
        self._by_id = {row.run: row for row in self.rows if row.file is None}
        self._locs: dict[str, int] = {}
        for file, _ in self._by_place:
            self._locs[file] = self._locs.get(file, 0) + 1
        self._names: dict[str, str | None] = {}
        for file in self._locs:
            name = file.rsplit("/", 1)[-1]
            self._names[name] = file if name not in self._names else None

    @property
    def run_ids(self) -> frozenset[str]:
        """The ids that rows without a place name; none where every row has a place."""
        return frozenset(self._by_id)

    def find(self, file: str, loc: int | None, run_id: str | None = None) -> OutcomeRow | None:
        """Return the row of a run, or None: by its place, else by its id, else by the name of a file that is one run.

        A file that is one run may be written with `loc` null or 0. Where RAW was given one folder higher or lower
        than the table assumes, a file is found by its name if that name is unique.
        """
        if file not in self._locs:
            file = self._names.get(file.rsplit("/", 1)[-1]) or file
        row = self._by_place.get((file, loc))
        if row is None and self._locs.get(file) == 1 and loc in (None, 0):
            row = self._by_place.get((file, 0 if loc is None else None))
        if row is None and self._by_id:
            row = self._by_id.get(run_id) if run_id is not None else None
            name = file.rsplit("/", 1)[-1]
            names = (name, name.partition(".")[0]) if row is None and loc is None else ()
            row = next((self._by_id[one] for one in names if one in self._by_id), row)
        return row


def _parse_row(raw_row: Any, where: str) -> OutcomeRow:
    if not isinstance(raw_row, dict):
        raise OutcomesError(f"{where}: must be an object, is a {type(raw_row).__name__}")
    name = "run" if "run" in raw_row else "run_id"
    run = raw_row.get(name)
    faults = [
        *(["'run' must be a text"] if not isinstance(run, str) or not run else []),
        *(f"{key!r} must be a text" for key in ("file", "task") if not isinstance(raw_row.get(key), str | None)),
        *(["'loc' needs a 'file'"] if raw_row.get("loc") is not None and raw_row.get("file") is None else []),
        *([_wrong_flag(raw_row)] if not isinstance(raw_row.get("success"), bool) else []),
        *(
            f"{key!r} must be a whole number or null"
            for key in ("loc", "fold", "turns")
            if not _is_count(raw_row.get(key))
        ),
    ]
    if faults:
        raise OutcomesError(f"{where}: {'; '.join(faults)}")
    extra = {key: value for key, value in raw_row.items() if key not in _KNOWN and key != name}
    return OutcomeRow(
        run=str(run),
        file=raw_row.get("file"),
        loc=raw_row.get("loc"),
        task=raw_row.get("task") or "",
        success=raw_row["success"],
        fold=raw_row.get("fold"),
        turns=raw_row.get("turns"),
        extra=extra,
    )


def _wrong_flag(raw_row: dict[str, Any]) -> str:
    said = f", is {str(raw_row['success'])[:60]!r}" if "success" in raw_row else ""
    return f"'success' must be true or false{said}; in a CSV {', '.join(FLAGS)} will do"


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
