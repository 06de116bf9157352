"""An archive made into a corpus: steps put together into runs, each with the last that was said of it.

Two passes over the archive: what is known of runs first, then the steps of those that are wanted, both sorted on disk
by run. In memory are the runs of one bucket, and some hundred bytes for each run that the archive knows.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson

from induction.archive.buckets import Buckets
from induction.archive.lines import (
    SUFFIX,
    RunLine,
    find_days,
    parse_run,
    parse_step,
    read_raw_runs,
    read_raw_steps,
)
from induction.archive.selection import CONTRADICTORY, GOING_ON, INCOMPLETE, NO_STEPS, Selection, Tally
from induction.errors import NoRunsError
from induction.reading.gathered import GatheredWriter

BUCKET_BYTES = 4 << 20
"""Of the archive's compressed bytes in one bucket, about a tenth of what they are in memory."""
MAX_BITS = 8

Positions = dict[int, set[bytes]]
"""The raw steps at each position of a run: one each, where all is well."""


def gather_archive(archive: Path, selection: Selection, folder: Path) -> Tally:
    """Write the wanted runs of an archive into `folder` as a gathered corpus, in an order that hangs on their names
    alone; return what was taken and what was left out.

    Raises UnreadableRawError for what is no archive, NoRunsError where no run is left, or where runs of several
    projects are there and none was named.
    """
    days = [
        day for day in find_days(archive) if selection.since_ms is None or day.name >= _day_before(selection.since_ms)
    ]
    size = sum(path.stat().st_size for day in days for path in day.rglob(f"*{SUFFIX}"))
    bits = min(MAX_BITS, max(0, (size // BUCKET_BYTES).bit_length()))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    tally = Tally()
    gathering = _Gathering(days, selection, tally)
    with (
        tempfile.TemporaryDirectory(prefix=".sorting-", dir=folder) as spool,
        Buckets(Path(spool), "runs", bits) as runs,
        Buckets(Path(spool), "steps", bits) as steps,
    ):
        gathering.sort_runs(runs)
        gathering.choose_runs(runs)
        gathering.sort_steps(steps)
        with GatheredWriter(folder) as out:
            gathering.put_together(runs, steps, out)
    if not tally.taken:
        raise NoRunsError(f"{archive}: no run to take; {describe_left_out(tally) or 'it holds none'}")
    return tally


def describe_left_out(tally: Tally) -> str:
    """Return in one line why runs were left out, "" where none was."""
    return "; ".join(f"{count:,} {why}" for why, count in tally.left_out.most_common())


class _Gathering:
    def __init__(self, days: list[Path], selection: Selection, tally: Tally) -> None:
        self._days = days
        self._selection = selection
        self._tally = tally
        self._known: set[int] = set()
        self._wanted: set[int] = set()

    def sort_runs(self, runs: Buckets) -> None:
        """Sort what is known of runs."""
        projects: set[str] = set()
        for line in read_raw_runs(self._days, self._on_damage):
            run = parse_run(line)
            if run is None:
                self._tally.unread_lines += 1
                continue
            projects.add(run.project)
            key = to_key(run.name)
            self._known.add(key)
            runs.add(key, line)
        runs.close()
        if len(projects) > 1 and not self._selection.projects:
            raise NoRunsError(
                f"the archive has runs of {len(projects)} projects, and what one learns from another's runs may tell "
                f"of them: name --project, of {', '.join(sorted(projects)[:20])}"
            )

    def choose_runs(self, runs: Buckets) -> None:
        """Settle which runs are wanted, by what was last said of them."""
        for number in range(len(runs)):
            for run, _ in latest_words(runs.read(number)):
                refused = self._selection.refuse(run)
                if refused is None:
                    self._wanted.add(to_key(run.name))
                else:
                    self._tally.left_out[refused] += 1

    def sort_steps(self, steps: Buckets) -> None:
        """Sort the steps of the runs that are wanted."""
        going_on: set[int] = set()
        for line in read_raw_steps(self._days, self._on_damage):
            step = parse_step(line)
            if step is None:
                self._tally.unread_lines += 1
                continue
            key = to_key(step.name)
            if key in self._wanted:
                steps.add(key, line)
            elif key not in self._known:
                going_on.add(key)
        steps.close()
        if going_on:
            self._tally.left_out[GOING_ON] += len(going_on)

    def put_together(self, runs: Buckets, steps: Buckets, out: GatheredWriter) -> None:
        """Write each wanted run whose steps are all there."""
        for number in range(len(runs)):
            found: dict[str, Positions] = {}
            for step in map(parse_step, steps.read(number)):
                if step is not None:
                    raw_step = orjson.dumps(step.step)
                    found.setdefault(step.name, {}).setdefault(step.position, set()).add(raw_step)
            wanted = [pair for pair in latest_words(runs.read(number)) if to_key(pair[0].name) in self._wanted]
            for run, moved in sorted(wanted, key=lambda pair: (to_key(pair[0].name), pair[0].name)):
                raw_steps = join_steps(run, moved, found.pop(run.name, {}))
                if isinstance(raw_steps, str):
                    self._tally.left_out[raw_steps] += 1
                else:
                    self._write(run, raw_steps, out)

    def _write(self, run: RunLine, raw_steps: list[bytes], out: GatheredWriter) -> None:
        task, success, tally = self._selection.name_task(run), bool(run.success), self._tally
        about = {"agent": run.agent or None, "monitor": run.monitor_id or None}
        out.add(run.name, task, success=success, raw_steps=raw_steps, about=about)
        tally.taken += 1
        tally.failures += not success
        tally.steps += len(raw_steps)
        tally.without_task += not run.task
        tally.control += run.control
        tally.intervened += bool(run.intervened)
        tally.tasks.add(task)
        tally.monitors[run.monitor_id] += 1

    def _on_damage(self) -> None:
        self._tally.damaged_segments += 1


def join_steps(run: RunLine, moved: frozenset[int], found: Positions) -> list[bytes] | str:
    """Return a run's raw steps as JSON in the order in which its agent sent them, or why they are not all there.

    A step that was parked and put back stands where it was sent: the monitor read it late, the agent did not act late.
    """
    if not found:
        return NO_STEPS
    if any(len(there) > 1 for there in found.values()):
        return CONTRADICTORY
    if any(position not in found for position in range(run.steps)):
        return INCOMPLETE
    return [raw_step for position in range(run.steps) if position not in moved for raw_step in found[position]]


def to_key(name: str) -> int:
    """Return the 64-bit key of a run, by which its lines are brought together."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def latest_words(lines: Iterator[bytes]) -> Iterator[tuple[RunLine, frozenset[int]]]:
    """Yield of each run the line that holds, and the positions at which a step stands a second time."""
    latest: dict[str, RunLine] = {}
    moved: dict[str, set[int]] = {}
    for run in map(parse_run, lines):
        if run is None:
            continue
        before = latest.get(run.name)
        if before is None or before.entry <= run.entry:
            latest[run.name] = run
        if run.moved_to is not None:
            moved.setdefault(run.name, set()).add(run.moved_to)
    for name, run in latest.items():
        yield run, frozenset(moved.get(name, ()))


def _day_before(since_ms: int) -> str:
    # A day's grace: clocks differ, and a run that began before midnight may be written after it, never before it.
    return datetime.fromtimestamp(since_ms / 1000 - 86_400, UTC).date().isoformat()
