"""Where a run's steps lie in a segment: `<segment>.index` beside it, a row of 24 bytes for each step.

The index only says where to look: whoever reads compares each line's own name, so a row that is wrong, or is about
something that is gone, finds nothing. It is not synced; what a kill leaves behind of it is made again from the segment.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import zstandard
from numpy.typing import NDArray

from service.archive.rewriting import HEAD, index_of, is_still
from service.records import Entry, RunRef

ROW = np.dtype([("run", "<u4"), ("position", "<u4"), ("frame", "<u8"), ("bytes", "<u4"), ("at_s", "<u4")])
"""CRC-32 of the run's name; the step's position; where its frame begins in the segment, and how long it is; when it was
written (seconds since 1970), ascending within an index. The rows of a frame end with one of position END."""
END = 2**32 - 1
Rows = NDArray[np.void]
_READ_BYTES = 2**20
_ROWS_AT_ONCE = 2**20


def mark_of(ref: RunRef) -> int:
    """What stands for a run in an index. Runs may share it."""
    return zlib.crc32(ref.name.encode())


def to_rows(steps: Sequence[tuple[int, int]], frame: int, size: int, at_s: int) -> bytes:
    """The rows of one frame's steps, given as (mark, position)."""
    rows = np.zeros(len(steps) + 1, ROW)
    if steps:
        rows["run"][:-1], rows["position"][:-1] = np.array(steps, np.uint32).T
    rows["position"][-1] = END
    rows["frame"], rows["bytes"], rows["at_s"] = frame, size, at_s
    return rows.tobytes()


def steps_of(entries: Sequence[Entry]) -> list[tuple[int, int]]:
    """What `to_rows` takes of entries."""
    marks: dict[RunRef, int] = {}
    steps = []
    for entry in entries:
        mark = marks.get(entry.ref)
        if mark is None:
            mark = marks[entry.ref] = mark_of(entry.ref)
        steps.append((mark, entry.position))
    return steps


def read_rows(index: Path, first: int, count: int) -> Rows:
    """Up to so many rows from one on. An unfinished row at the end is none. Raises OSError."""
    with index.open("rb") as file:
        file.seek(first * ROW.itemsize)
        raw = file.read(count * ROW.itemsize)
    return np.frombuffer(raw, ROW, len(raw) // ROW.itemsize)


def repair(segment: Path) -> bool:
    """Make a segment's index anew where it does not say all of it. False where the segment is being written to, and
    nothing was done. Raises OSError."""
    with segment.open("rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if is_still(segment, file) and not _is_whole(index_of(segment), segment.stat().st_size):
            rebuild(segment, file)
    return True


def rebuild(segment: Path, file: BinaryIO) -> None:
    """Write the index of a segment that nobody else writes to. Raises OSError."""
    index = index_of(segment)
    fresh = index.with_name(index.name + ".tmp")
    try:
        # When the frames were written is known no more: by the end of the segment at the latest.
        at_s = int(segment.stat().st_mtime)
        with fresh.open("wb") as out:
            for frame, size, steps in _frames(file):
                out.write(to_rows(steps, frame, size, at_s))
        fresh.replace(index)
    finally:
        fresh.unlink(missing_ok=True)


def _is_whole(index: Path, size: int) -> bool:
    """True if the rows' frames follow one another to the end of the segment."""
    end = place = last = 0
    try:
        while len(rows := read_rows(index, place, _ROWS_AT_ONCE)):
            place += len(rows)
            starts, ends = rows["frame"], rows["frame"] + rows["bytes"]
            follow = (starts[1:] == starts[:-1]) | (starts[1:] == ends[:-1])
            if not (follow.all() and starts[0] in {end, _begin_of(end, index, place - len(rows))}):
                return False
            end, last = int(ends[-1]), int(rows["position"][-1])
    except FileNotFoundError:
        return False
    return place > 0 and end == size and last == END


def _begin_of(end: int, index: Path, place: int) -> int:
    """Where the frame before a row begins, or its end at the start."""
    return int(read_rows(index, place - 1, 1)["frame"][0]) if place else end


def _frames(file: BinaryIO) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Each whole frame of a segment: where it begins, its size, its steps."""
    start = at = 0
    file.seek(0)
    rest = b""
    while True:
        reader = zstandard.ZstdDecompressor().decompressobj()
        steps: list[tuple[int, int]] = []
        line = b""
        while not reader.eof:
            chunk = rest or file.read(_READ_BYTES)
            rest = b""
            if not chunk:
                return
            try:
                text = reader.decompress(chunk)
            except zstandard.ZstdError:
                return
            at += len(chunk)
            *lines, line = (line + text).split(b"\n")
            steps += [step for step in map(_step_of, lines) if step is not None]
        rest = reader.unused_data
        end = at - len(rest)
        yield start, end - start, steps
        start, at = end, end


def _step_of(line: bytes) -> tuple[int, int] | None:
    head = HEAD.match(line)
    if head is None:
        return None
    begin = head.end() + len(b',"position":')
    return zlib.crc32(head[1] + b":" + head[2]), int(line[begin : line.index(b",", begin)])


class IndexWriter:
    """Adds to the index of one segment that this process writes."""

    def __init__(self, segment: Path) -> None:
        self._file = os.open(index_of(segment), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._at_s = 0

    def add(self, steps: Sequence[tuple[int, int]], frame: int, size: int, at_s: int) -> None:
        """Note a frame. Raises OSError: then more must not be noted here."""
        self._at_s = max(self._at_s, at_s)
        rows = to_rows(steps, frame, size, self._at_s)
        if os.write(self._file, rows) != len(rows):
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        """Close it."""
        os.close(self._file)
