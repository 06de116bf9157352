"""Runs with their outcome: raw runs matched with the rows of an outcomes file, or with the outcome that the trace
itself states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from induction.errors import NoRunsError
from induction.outcomes import OutcomeTable, read_outcomes
from induction.reading import RawRun, read_runs
from induction.reading.gathered import read_gathered
from monitors.adapter import AdapterSpec
from monitors.stepview import JsonValue

N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class LabelledRun:
    """A finished run, its outcome and its fold."""

    run: str
    task: str
    success: bool
    fold: int
    events: list[JsonValue]
    group: str = ""
    """Whose threshold holds for it, where thresholds are by group; "" if its row does not say."""


@dataclass(frozen=True, slots=True)
class LabelledCorpus:
    """Finished runs on disk, read anew at each pass: memory does not grow with the corpus."""

    raw: Path
    spec: AdapterSpec
    outcomes: Path | None
    split: str = "new"
    """"new": folds by task, so that a test asks about tasks never seen; "known": folds by run, tasks repeat."""
    among: Callable[[LabelledRun], bool] | None = None
    """Which runs there are at all, for who asks what fewer of them would teach; all if left out."""
    group_by: str | None = None
    """The field of the outcomes that names a run's group, such as agent or model."""
    gathered: bool = False
    """Whether `raw` is the file of runs of a gathered corpus, whose raw steps no adapter's source need find."""

    def runs(self, keep: Callable[[str, int], bool] | None = None) -> Iterator[LabelledRun]:
        """Yield runs that have an outcome, in the order of the files; `keep(task, fold)` leaves others out before they
        are copied.

        Raises NoRunsError if nothing at all matches: the outcomes file and the raw traces are not of one corpus.
        """
        table = None if self.outcomes is None else OutcomeTable(read_outcomes(self.outcomes))
        read = matched = 0
        for raw_run in read_gathered(self.raw) if self.gathered else read_runs(self.raw, self.spec):
            read += 1
            labelled = _label(raw_run, table, self.split, self.group_by)
            if labelled is not None:
                matched += 1
                if (self.among is None or self.among(labelled)) and (
                    keep is None or keep(labelled.task, labelled.fold)
                ):
                    yield labelled
        if not matched:
            where = f"the rows of {self.outcomes}" if self.outcomes else "an outcome in the trace: give --outcomes FILE"
            by_id = table is not None and bool(table.run_ids) and self.spec.source.run_id is None
            hint = "; they name runs by id, and the adapter reads none: set its source.run_id" if by_id else ""
            raise NoRunsError(f"{self.raw}: {read} runs were read and none of them has {where}{hint}")


def identify_files(path: Path) -> Iterator[bytes]:
    """Yield what tells a file, or each file of a folder, from another version of it: path, size and time of change."""
    for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if part.is_file():
            stat = part.stat()
            yield f"{part.absolute()}|{stat.st_size}|{stat.st_mtime_ns}".encode("utf-8", "surrogateescape")


def hash_fold(task: str) -> int:
    """Return a task's fold, 0 … 4, where the outcomes file gives none: stable over machines and versions."""
    return int(hashlib.sha256(f"forewarn-task:{task}".encode("utf-8", "replace")).hexdigest()[:8], 16) % N_FOLDS


def hash_run_fold(run: str) -> int:
    """Return a run's fold, 0 … 4, in the split of known tasks."""
    return int(hashlib.sha256(f"forewarn-run:{run}".encode("utf-8", "replace")).hexdigest()[:8], 16) % N_FOLDS


def _label(raw_run: RawRun, table: OutcomeTable | None, split: str, group_by: str | None) -> LabelledRun | None:
    name = raw_run.file if raw_run.loc is None else f"{raw_run.file}#{raw_run.loc}"
    if table is None:
        if raw_run.success is None:
            return None
        task = raw_run.task or raw_run.run_id or name
        fold = hash_run_fold(name) if split == "known" else hash_fold(task)
        return LabelledRun(name, task, raw_run.success, fold, raw_run.events)
    row = table.find(raw_run.file, raw_run.loc, raw_run.run_id)
    if row is None:
        return None
    task = row.task or raw_run.task or row.run
    fold = hash_fold(task) if row.fold is None else row.fold
    if split == "known":
        fold = hash_run_fold(row.run)
    group = row.extra.get(group_by) if group_by is not None else None
    return LabelledRun(row.run, task, row.success, fold, raw_run.events, "" if group is None else str(group))
