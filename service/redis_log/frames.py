"""The scores that a commit tells of, as bytes on a partition's channel and in its feed: runs with consecutive score
records.

A frame is the partition's runs one after the other: name length (u16), first position (u32), count (u16), name, count
× 32 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from service.records import SCORE_BYTES, RunCommit

_HEAD = struct.Struct("<HIH")
_MOST = 0xFFFF
FEED_LEAST, FEED_MOST = 16, 256
FEED_BYTES = 512 * 1024


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


def to_feed_frame(runs: Sequence[RunCommit], records: Sequence[bytes]) -> bytes:
    """The frame for displays: of each run's records those with an alert and the newest. A run may come several times,
    its positions ascending."""
    parts: list[bytes] = []
    for run, packed in zip(runs, records, strict=True):
        name, last = run.ref.name.encode(), len(run.scores) - 1
        for index, score in enumerate(run.scores):
            if index == last or score.alert:
                record = packed[index * SCORE_BYTES : (index + 1) * SCORE_BYTES]
                parts += (_HEAD.pack(len(name), run.first_position + index, 1), name, record)
    return b"".join(parts)


def kept_frames(frame_bytes: int) -> int:
    """How many frames of about this size a feed keeps: 256, or fewer so that a partition's feed stays near 512 KiB."""
    return max(FEED_LEAST, min(FEED_MOST, FEED_BYTES // max(1, frame_bytes)))


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
