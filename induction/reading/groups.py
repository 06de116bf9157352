"""Events of runs that are written one among the other, gathered run by run on disk."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from typing import IO

from monitors.stepview import JsonValue


def group_on_disk(events: Iterable[tuple[str, JsonValue]]) -> Iterator[list[JsonValue]]:
    """Yield the events of each key in their order, keys by when they first came. In memory there is one key's events,
    and a place of 8 bytes for each event; the events are in a temporary file.
    """
    places: dict[str, array[int]] = {}
    with tempfile.TemporaryFile() as spool:
        for key, event in events:
            places.setdefault(key, array("Q")).append(spool.tell())
            # The standard library keeps NaN, huge numbers and lone surrogates as they are.
            spool.write(json.dumps(event).encode("ascii") + b"\n")
        for found in places.values():
            yield [_read_at(spool, place) for place in found]


def _read_at(spool: IO[bytes], place: int) -> JsonValue:
    spool.seek(place)
    value: JsonValue = json.loads(spool.readline())
    return value
