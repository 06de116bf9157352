"""The scores that a commit tells of, as bytes on a partition's channel: runs with consecutive score records.

A frame is the partition's runs one after the other: name length (u16), first position (u32), count (u16), name, count
× 32 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from service.records import SCORE_BYTES, RunCommit

_HEAD = struct.Struct("<HIH")
_MOST = 0xFFFF


def to_frame(runs: Sequence[RunCommit], records: Sequence[bytes]) -> bytes:
    """The frame for these runs; `records` holds each run's score records, packed. Runs beyond the layout's counts are
    cut: readers then poll."""
    parts: list[bytes] = []
    for run, packed in zip(runs, records, strict=True):
        name = run.ref.name.encode()
        parts += (
            _HEAD.pack(len(name), run.first_position, min(len(run.scores), _MOST)),
            name,
            packed[: _MOST * SCORE_BYTES],
        )
    return b"".join(parts)


def read_frame(frame: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Each run's name, first position and packed records."""
    at = 0
    while at < len(frame):
        name_bytes, first, count = _HEAD.unpack_from(frame, at)
        at += _HEAD.size
        name = frame[at : at + name_bytes].decode()
        at += name_bytes
        yield name, first, frame[at : at + count * SCORE_BYTES]
        at += count * SCORE_BYTES
