"""The archive in files: `<folder>/<day>/<segment>.jsonl.zst`, one JSON line a step, zstd frames one after the other;
`<folder>/<day>/runs/<segment>.jsonl.zst`, likewise a line each time that something is said of a run that is over.

A segment belongs to one process and one day, and is only ever added to: each write is one frame, synced before it
counts. A process that is killed leaves at most an unfinished frame at the end of its segment, whose steps the next
owner of the partition writes again into a segment of its own; so a step may be there twice, and readers take the first.
Of the lines of a run, the one with the greatest `entry` holds: milliseconds first, then a number.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import zstandard

from monitors.stepview import JsonValue
from service.archive.index import IndexWriter, repair, steps_of
from service.archive.rewriting import LEVEL, SUFFIX, hold, read_lines, rewrite
from service.errors import SettingsError
from service.records import Cutoffs, Ending, Entry, RunRef

RUNS = "runs"
# Steps of one frame. Who reads a run unpacks a frame for each of its steps at worst; frames of 2 MB are 8 % smaller.
PORTION_BYTES = 512 * 1024
# Indexes that are missing are made again for so long each time that the archive is swept.
REPAIR_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArchivedStep:
    """A step as it was scored. `received_us`: the API's clock, microseconds since 1970."""

    ref: RunRef
    position: int
    received_us: int
    step: JsonValue


class FileArchive:
    """StepArchive and EndingArchive in a folder. Each not for several threads at once; the one beside the other may."""

    def __init__(self, folder: Path, owner: str) -> None:
        """Raises SettingsError where the folder cannot be written to."""
        self._folder = folder
        self._thinned: dict[str, frozenset[str]] = {}
        self._indexed: set[tuple[str, int]] = set()
        self._steps = _Segments(folder, "", owner)
        self._endings = _Segments(folder, RUNS, owner)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(folder, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise SettingsError(
                f"the archive folder {folder} cannot be written to ({error.strerror}): choose another "
                "(FOREWARN_ARCHIVE_DIR), or none with FOREWARN_ARCHIVE_DIR=none"
            ) from None

    def write(self, entries: Sequence[Entry]) -> None:
        """See `ports.StepArchive.write`."""
        portions = _portions(entries)
        lines = [b"".join([to_line(entry) for entry in portion]) for portion in portions]
        self._steps.add(lines, [steps_of(portion) for portion in portions])

    def write_endings(self, endings: Sequence[Ending]) -> None:
        """See `ports.EndingArchive.write_endings`."""
        self._endings.add([b"".join([to_ending_line(ending) for ending in endings])])

    def sweep(self, cutoffs: Cutoffs) -> int:
        """See `ports.StepArchive.sweep`. A day is over for a project by when its steps were written."""
        touched = 0
        for day, ended_ms in self._days():
            if ended_ms <= cutoffs.earliest:
                shutil.rmtree(day, ignore_errors=True)
                touched += 1
            elif ended_ms <= cutoffs.latest:
                touched += self._thin_out(day, ended_ms, cutoffs)
        self.repair_indexes(REPAIR_S)
        return touched

    def repair_indexes(self, within_s: float) -> None:
        """Make what is missing of the indexes, the newest days first, until so long has gone by; the rest next time."""
        until = time.monotonic() + within_s
        for day, _ in reversed(self._days()):
            for segment in sorted(day.glob(f"*{SUFFIX}"), reverse=True):
                self._index_anew(segment)
                if time.monotonic() > until:
                    return

    def _index_anew(self, segment: Path) -> None:
        """Make a segment's index if it is not whole. What fails is tried again: steps are safe without it."""
        if segment.parent.name == RUNS:
            return
        try:
            known = (str(segment), segment.stat().st_ino)
            if known not in self._indexed and repair(segment):
                self._indexed.add(known)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("the archive's index of %s cannot be made: %s", segment, error)

    def erase(self, digests: Collection[str], since_ms: int) -> bool:
        """See `ports.StepArchive.erase`."""
        complete = True
        for day, ended_ms in self._days():
            if ended_ms >= since_ms:
                for segment in _segments_of(day):
                    gone = rewrite(segment, lambda ref: ref.digest not in digests)
                    complete &= gone is not None
                    if gone:
                        self._index_anew(segment)
        return complete

    def rotate(self) -> None:
        """See `ports.StepArchive.rotate`."""
        self._steps.rotate()
        self._endings.rotate()

    def _days(self) -> list[tuple[Path, int]]:
        """Each day's folder, and when the day ended (ms since 1970)."""
        days = []
        for day in self._folder.iterdir():
            with contextlib.suppress(ValueError):
                ended = datetime.combine(date.fromisoformat(day.name) + timedelta(days=1), datetime.min.time(), UTC)
                days.append((day, int(ended.timestamp() * 1000)))
        return sorted(days)

    def _thin_out(self, day: Path, ended_ms: int, cutoffs: Cutoffs) -> int:
        """Take out of a day what some projects keep no longer; once, until other projects do."""
        over = frozenset(project for project in cutoffs.projects if ended_ms <= cutoffs.of(project))
        if self._thinned.get(day.name) == over:
            return 0
        gone = {one: rewrite(one, lambda ref: ended_ms > cutoffs.of(ref.project)) for one in _segments_of(day)}
        for segment in [one for one, lines in gone.items() if lines]:
            self._index_anew(segment)
        if None not in gone.values():
            self._thinned[day.name] = over
        return sum(1 for lines in gone.values() if lines)

    def close(self) -> None:
        """Close the segments."""
        self._steps.close()
        self._endings.close()


class _Segments:
    """What one process adds to the archive: a segment a day, in this folder of each day's folder."""

    def __init__(self, folder: Path, inside: str, owner: str) -> None:
        self._folder = folder
        self._inside = inside
        # Time and process make the name new, so that no segment of a killed process is ever added to.
        self._name = f"{_file_name(owner)}-{time.time_ns() // 1_000_000}-{os.getpid()}"
        self._number = 0
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)
        self._day = ""
        self._file: io.BufferedWriter | None = None
        self._index: IndexWriter | None = None
        self._one_at_a_time = threading.Lock()

    def add(self, portions: Sequence[bytes], steps: Sequence[list[tuple[int, int]]] | None = None) -> None:
        """Add lines, each portion as one frame; durable when it returns. `steps`: what the segment's index is to say of
        each, where it has one. Raises OSError."""
        with self._one_at_a_time:
            frames = [self._compressor.compress(lines) for lines in portions]
            file = self._open(indexed=steps is not None)
            try:
                begin = file.tell()
                file.write(b"".join(frames))
                file.flush()
                os.fdatasync(file.fileno())
            except OSError:
                # How much of the frames is there is unknown: the rest must not follow it.
                self._begin_another()
                raise
            if steps is not None:
                self._note(begin, frames, steps)

    def _note(self, begin: int, frames: Sequence[bytes], steps: Sequence[list[tuple[int, int]]]) -> None:
        """Say in the index what the frames hold."""
        if self._index is None:
            return
        try:
            for frame, held in zip(frames, steps, strict=True):
                self._index.add(held, begin, len(frame), int(time.time()))
                begin += len(frame)
        except OSError as error:
            # The steps are safe. Once the segment is let go of, its index is made again.
            log.warning("the index of the archive cannot be written and is made later: %s", error)
            self._begin_another()

    def rotate(self) -> None:
        """Let go of the segment: what follows goes into another."""
        with self._one_at_a_time:
            if self._file is not None:
                self._begin_another()

    def _begin_another(self) -> None:
        self.close()
        self._number += 1

    def close(self) -> None:
        """Close the segment."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._index is not None:
            self._index.close()
            self._index = None

    def _open(self, *, indexed: bool = False) -> io.BufferedWriter:
        day = datetime.now(UTC).date().isoformat()
        if self._file is None or day != self._day:
            self.close()
            folder = self._folder / day / self._inside
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            segment = folder / f"{self._name}-{self._number:04d}{SUFFIX}"
            self._file = segment.open("ab")
            hold(self._file)
            if indexed:
                with contextlib.suppress(OSError):
                    self._index = IndexWriter(segment)
            self._day = day
            # The names too must outlive a power cut.
            for one in dict.fromkeys((folder, self._folder / day, self._folder)):
                descriptor = os.open(one, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        return self._file


def _portions(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """Entries in portions of about PORTION_BYTES."""
    portions: list[Sequence[Entry]] = []
    begin = size = 0
    for place, entry in enumerate(entries):
        size += len(entry.data)
        if size >= PORTION_BYTES:
            portions.append(entries[begin : place + 1])
            begin, size = place + 1, 0
    if begin < len(entries):
        portions.append(entries[begin:])
    return portions


def to_line(entry: Entry) -> bytes:
    """The step as a line. Its JSON goes in as it is."""
    head = orjson.dumps(
        {
            "project": entry.ref.project,
            "run_id": entry.ref.run_id,
            "position": entry.position,
            "received_us": entry.received_us,
        }
    )
    return head[:-1] + b',"step":' + entry.data + b"}\n"


def to_ending_line(ending: Ending) -> bytes:
    """What is known of a run, as a line."""
    values = {
        "project": ending.ref.project,
        "run_id": ending.ref.run_id,
        "entry": ending.entry_id,
        "what": ending.what,
        "created_ms": ending.created_ms,
        "steps": ending.steps,
        "ended_ms": ending.ended_ms,
        "expired": ending.expired,
        "success": ending.success,
        "intervened": ending.intervened,
        "control": ending.control,
        "agent": ending.agent,
        "task": ending.task,
        "tags": ending.tags,
        "monitor_id": ending.monitor_id,
    }
    if ending.moved is not None:
        values["from"], values["to"] = ending.moved
    return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)


def read_archive(folder: Path) -> Iterator[ArchivedStep]:
    """All steps in an archive, day by day and segment by segment, each once; a run's steps need not lie together. The
    memory it takes grows with the number of steps, about 100 bytes each."""
    seen: set[tuple[RunRef, int]] = set()
    for segment in sorted(folder.glob(f"*/*{SUFFIX}")):
        for line in _lines(segment):
            values = orjson.loads(line)
            ref = RunRef(values["project"], values["run_id"])
            if (ref, values["position"]) not in seen:
                seen.add((ref, values["position"]))
                yield ArchivedStep(ref, values["position"], values["received_us"], values["step"])


def _lines(segment: Path) -> Iterator[bytes]:
    with segment.open("rb") as file:
        yield from read_lines(file)


def _segments_of(day: Path) -> list[Path]:
    return sorted([*day.glob(f"*{SUFFIX}"), *day.glob(f"{RUNS}/*{SUFFIX}")])


def _file_name(owner: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in owner)[:100]
