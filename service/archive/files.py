"""The archive in files: `<folder>/<day>/<segment>.jsonl.zst`, one JSON line a step, zstd frames one after the other;
`<folder>/<day>/runs/<segment>.jsonl.zst`, likewise a line each time that something is said of a run that is over.

A segment belongs to one process and one day, and is only ever added to: each write is one frame, synced before it
counts. A process that is killed leaves at most an unfinished frame at the end of its segment, whose steps the next
owner of the partition writes again into a segment of its own; so a step may be there twice, and readers take the first.
Of the lines of a run, the one with the greatest `entry` holds: milliseconds first, then a number.
"""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import zstandard

from monitors.stepview import JsonValue
from service.errors import SettingsError
from service.records import Ending, Entry, RunRef

# 2 KB of real steps take 3.6 µs and become 0.11 of their size; level 1: 2.9 µs, 0.14; level 6: 11 µs, 0.10.
LEVEL = 3
SUFFIX = ".jsonl.zst"
RUNS = "runs"


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
        self._steps.add(b"".join([to_line(entry) for entry in entries]))

    def write_endings(self, endings: Sequence[Ending]) -> None:
        """See `ports.EndingArchive.write_endings`."""
        self._endings.add(b"".join([to_ending_line(ending) for ending in endings]))

    def sweep(self, older_than_ms: int) -> int:
        """See `ports.StepArchive.sweep`. A part is a day, by when its steps were written."""
        oldest = datetime.fromtimestamp(older_than_ms / 1000, UTC).date()
        gone = 0
        for day in self._folder.iterdir():
            try:
                old = date.fromisoformat(day.name) + timedelta(days=1) <= oldest
            except ValueError:
                continue
            if old:
                shutil.rmtree(day, ignore_errors=True)
                gone += 1
        return gone

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
        self._segment = f"{_file_name(owner)}-{time.time_ns() // 1_000_000}-{os.getpid()}{SUFFIX}"
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)
        self._day = ""
        self._file: io.BufferedWriter | None = None

    def add(self, lines: bytes) -> None:
        """Add lines as one frame; durable when it returns. Raises OSError."""
        frame = self._compressor.compress(lines)
        file = self._open()
        try:
            file.write(frame)
            file.flush()
            os.fdatasync(file.fileno())
        except OSError:
            # How much of the frame is there is unknown: the rest must not follow it.
            self.close()
            self._segment = f"{self._segment.removesuffix(SUFFIX)}+{SUFFIX}"
            raise

    def close(self) -> None:
        """Close the segment."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> io.BufferedWriter:
        day = datetime.now(UTC).date().isoformat()
        if self._file is None or day != self._day:
            self.close()
            folder = self._folder / day / self._inside
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = (folder / self._segment).open("ab")
            self._day = day
            # The names too must outlive a power cut.
            for one in dict.fromkeys((folder, self._folder / day, self._folder)):
                descriptor = os.open(one, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        return self._file


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
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        rest = b""
        while True:
            try:
                chunk = reader.read(2**20)
            except zstandard.ZstdError:
                return  # a frame that is damaged
            if not chunk:
                return  # what a killed process left unfinished, of a frame or of a line, is not a step
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines


def _file_name(owner: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in owner)[:100]
