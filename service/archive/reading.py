"""A run's steps out of the archive, by the indexes beside its segments. Any number of processes may read."""

from __future__ import annotations

import bisect
import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from service.archive.index import ROW, mark_of, read_rows
from service.archive.rewriting import SUFFIX, index_of, read_lines
from service.records import RunRef

# A step is archived about half a second after it came, and clocks differ: here it is looked for first.
BEFORE_S, AFTER_S = 2, 10
ROWS_AT_ONCE = 2**20
# Rows (24 bytes each) and unpacked bytes that one request may look at: some 0.2 s.
MOST_ROWS = 16 * 2**20
MOST_BYTES = 128 * 2**20


class ArchiveReader:
    """ArchivedSteps in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def is_there(self) -> bool:
        """False where this machine has no such folder, or may not look into it."""
        try:
            next(self._folder.iterdir(), None)
        except OSError:
            return False
        return True

    def read(self, ref: RunRef, wanted: Mapping[int, int], most_bytes: int) -> tuple[dict[int, bytes], bool]:
        """See `ports.ArchivedSteps.read`."""
        look = _Look(ref, wanted, most_bytes)
        if wanted:
            times = sorted(ms // 1000 for ms in wanted.values())
            for since_s, until_s in [*_near(times), (times[0] - BEFORE_S, 2**32 - 1)]:
                if look.is_over():
                    break
                for segment in self._segments(since_s, until_s):
                    # Deleted or rewritten meanwhile, or never indexed: nothing is found in it.
                    with contextlib.suppress(OSError):
                        look.into(segment, since_s, until_s)
                    if look.is_over():
                        break
        return look.found, not look.was_cut

    def _segments(self, since_s: int, until_s: int) -> Iterator[Path]:
        first = datetime.fromtimestamp(max(0, since_s), UTC).date()
        last = datetime.fromtimestamp(until_s, UTC).date()
        with contextlib.suppress(OSError):
            for day in sorted(self._folder.iterdir()):
                with contextlib.suppress(ValueError):
                    if first <= date.fromisoformat(day.name) <= last:
                        yield from sorted(day.glob(f"*{SUFFIX}"))


class _Look:
    """One request's search for steps."""

    def __init__(self, ref: RunRef, wanted: Mapping[int, int], most_bytes: int) -> None:
        self.found: dict[int, bytes] = {}
        self._wanted = dict(wanted)
        self._mark = mark_of(ref)
        self._head = f'{{"project":"{ref.project}","run_id":"{ref.run_id}","position":'.encode()
        self._left_rows, self._left_bytes = MOST_ROWS, MOST_BYTES
        self._left_found = most_bytes
        self._seen: set[tuple[Path, int]] = set()

    def is_over(self) -> bool:
        """True once all is found, or enough was looked at."""
        return not self._wanted or self.was_cut

    @property
    def was_cut(self) -> bool:
        """True where there was more to look at than one request may."""
        return min(self._left_rows, self._left_bytes, self._left_found) <= 0

    def into(self, segment: Path, since_s: int, until_s: int) -> None:
        """Look through the frames of a segment that were written in this time. Raises OSError."""
        index = index_of(segment)
        count = index.stat().st_size // ROW.itemsize
        place = bisect.bisect_left(range(count), since_s, key=lambda one: int(read_rows(index, one, 1)["at_s"][0]))
        while place < count and not self.is_over():
            rows = read_rows(index, place, min(ROWS_AT_ONCE, self._left_rows))
            self._left_rows -= len(rows)
            place += len(rows)
            if len(rows) == 0 or rows["at_s"][0] > until_s:
                return
            own = rows[rows["run"] == self._mark]
            own = own[np.isin(own["position"], np.array(list(self._wanted), np.uint32))]
            for frame, size in dict.fromkeys(zip(own["frame"].tolist(), own["bytes"].tolist(), strict=True)):
                if not self.is_over() and (segment, frame) not in self._seen:
                    self._seen.add((segment, frame))
                    self._take(segment, frame, size)

    def _take(self, segment: Path, frame: int, size: int) -> None:
        with segment.open("rb") as file:
            file.seek(frame)
            packed = file.read(size)
        for line in read_lines(io.BytesIO(packed)):
            self._left_bytes -= len(line)
            if line.startswith(self._head):
                self._keep(line)
            if self._left_bytes <= 0:
                return

    def _keep(self, line: bytes) -> None:
        at = line.index(b",", len(self._head))
        position = int(line[len(self._head) : at])
        received = line[at + len(b',"received_us":') :]
        end = received.index(b",")
        # A step of a run that had this name before, and is deleted, came at another time.
        if self._wanted.get(position) != int(received[:end]) // 1000:
            return
        data = received[end + len(b',"step":') : -1]
        if len(data) > self._left_found and self.found:
            self._left_found = 0
            return
        self._left_found -= len(data)
        self.found[position] = data
        del self._wanted[position]


def _near(times: Sequence[int]) -> list[tuple[int, int]]:
    """The times in which steps that came then (seconds, ascending) were probably archived, without overlaps."""
    near: list[tuple[int, int]] = []
    for at_s in times:
        since_s, until_s = at_s - BEFORE_S, at_s + AFTER_S
        if near and since_s <= near[-1][1]:
            near[-1] = (near[-1][0], until_s)
        else:
            near.append((since_s, until_s))
    return near
