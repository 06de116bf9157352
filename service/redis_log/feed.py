"""The partitions' feeds in Redis: what was committed lately, for displays that come and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.core.live import moment_of
from service.records import FeedEntry, FeedPage, RunRef, ScoreRecord
from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.frames import FEED_LEAST, read_frame
from service.redis_log.keys import KeySpace

EMPTY = "0-0"


class RedisUpdateFeed:
    """UpdateFeed on Redis."""

    def __init__(self, client: RedisClient, keys: KeySpace) -> None:
        self._client = client
        self._keys = keys

    async def newest(self) -> dict[int, str]:
        """See `ports.UpdateFeed.newest`."""
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in range(self._keys.count):
                    pipeline.xrevrange(self._keys[partition].feed, count=1)
                answers: list[Any] = await pipeline.execute()
        return {partition: rows[0][0].decode() if rows else EMPTY for partition, rows in enumerate(answers)}

    async def read(self, after: Mapping[int, str], count: int) -> FeedPage:
        """See `ports.UpdateFeed.read`."""
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition, entry_id in after.items():
                    # With the entry itself: where it has left the feed, others may have left after it.
                    pipeline.xrange(self._keys[partition].feed, entry_id, "+", count + 1)
                answers: list[Any] = await pipeline.execute()
        found: list[FeedEntry] = []
        more, without = set(), set()
        for (partition, last), rows in zip(after.items(), answers, strict=True):
            has_last = bool(rows) and rows[0][0] == last.encode()
            if not has_last:
                without.add(partition)
            new = rows[1:] if has_last else rows[:count]
            found += [to_entry(partition, entry_id, fields) for entry_id, fields in new]
            if len(new) == count:
                more.add(partition)
        found.sort(key=lambda entry: (moment_of(entry.entry_id), entry.partition))
        return FeedPage(found, frozenset(more), frozenset(without))

    async def is_cut(self, after: Mapping[int, str]) -> bool:
        """See `ports.UpdateFeed.is_cut`. Redis 7 counts what was ever added; before it, a feed that is long enough to
        have been cut counts as cut."""
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in after:
                    pipeline.xinfo_stream(self._keys[partition].feed)
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return any(_is_cut(answer, entry_id) for answer, entry_id in zip(answers, after.values(), strict=True))


def _is_cut(answer: Any, after: str) -> bool:
    # A partition that never committed has no feed: XINFO answers with an error.
    if isinstance(answer, Exception) or not answer.get("first-entry"):
        return False
    length = int(answer["length"])
    added = answer.get("entries-added")
    is_trimmed = length >= FEED_LEAST if added is None else int(added) > length
    return is_trimmed and moment_of(answer["first-entry"][0].decode()) > moment_of(after)


def to_entry(partition: int, entry_id: bytes, fields: Mapping[bytes, bytes]) -> FeedEntry:
    """The entry as the feed holds it."""
    scores = []
    for name, first, records in read_frame(fields[b"f"]):
        record = ScoreRecord.from_bytes(records)
        if record is not None:
            scores.append((RunRef.from_name(name), first, record))
    return FeedEntry(partition, entry_id.decode(), tuple(scores))
