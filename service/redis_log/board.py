"""Tells waiting requests of scores as workers commit them: by pub/sub for speed, by looking for certainty."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from service.errors import LogUnavailable
from service.records import SCORE_BYTES, CommitSignal, RunRef, ScoreRecord
from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.frames import read_frame
from service.redis_log.keys import KeySpace
from service.redis_log.runs import RedisRunReader

log = logging.getLogger(__name__)

# Pub/sub promises nothing: a message lost to a reconnect is found by looking.
LOOK_EVERY_S = 0.25


class RedisScoreBoard:
    """ScoreBoard on Redis. Listens from the first watch on; `close` ends it."""

    def __init__(self, client: RedisClient, keys: KeySpace, reader: RedisRunReader) -> None:
        self._client = client
        self._keys = keys
        self._reader = reader
        self._watches: dict[str, set[RedisScoreWatch | _Signal]] = {}
        self._commits: set[CommitSignal] = set()
        self._partition_of = {keys[partition].scored.encode(): partition for partition in range(keys.count)}
        self._listener: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    @asynccontextmanager
    async def watch(self, ref: RunRef) -> AsyncIterator[RedisScoreWatch]:
        """See `ports.ScoreBoard.watch`."""
        await self._hear()
        watch = RedisScoreWatch(ref, self._reader)
        with self._told(ref, watch):
            yield watch

    @asynccontextmanager
    async def signal(self, ref: RunRef) -> AsyncIterator[asyncio.Event]:
        """See `ports.ScoreBoard.signal`."""
        await self._hear()
        signal = _Signal()
        with self._told(ref, signal):
            yield signal.news

    @asynccontextmanager
    async def commits(self) -> AsyncIterator[CommitSignal]:
        """See `ports.ScoreBoard.commits`."""
        await self._hear()
        signal = CommitSignal()
        self._commits.add(signal)
        try:
            yield signal
        finally:
            self._commits.discard(signal)

    async def _hear(self) -> None:
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="score board")
        # Without waiting for the subscription the first watch would have to look; a second is more than it ever takes.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._listening.wait(), 1.0)

    @contextmanager
    def _told(self, ref: RunRef, watch: RedisScoreWatch | _Signal) -> Iterator[None]:
        watches = self._watches.setdefault(ref.name, set())
        watches.add(watch)
        try:
            yield
        finally:
            watches.discard(watch)
            if not watches and self._watches.get(ref.name) is watches:
                del self._watches[ref.name]

    async def close(self) -> None:
        """Stop listening."""
        while self._listener is not None and not self._listener.done():
            # Again and again: Python 3.11 may lose a cancellation that meets the end of a write (asyncio.wait_for).
            self._listener.cancel()
            await asyncio.wait([self._listener], timeout=0.1)

    async def _listen(self) -> None:
        while True:
            try:
                with redis_errors():
                    async with await self._client.subscription() as subscription:
                        await subscription.subscribe(
                            *(self._keys[partition].scored for partition in range(self._keys.count))
                        )
                        self._listening.set()
                        while True:
                            message: Any = await subscription.get_message(ignore_subscribe_messages=True, timeout=5.0)
                            if message is not None:
                                self._tell(message["channel"], message["data"])
            except LogUnavailable as error:
                log.warning("waiting requests look for scores every %s s until Redis is back: %s", LOOK_EVERY_S, error)
                self._listening.clear()
                await asyncio.sleep(LOOK_EVERY_S)

    def _tell(self, channel: bytes, frame: bytes) -> None:
        for signal in self._commits:
            signal.note(self._partition_of[channel])
        if not self._watches:
            return
        for name, first, records in read_frame(frame):
            for watch in self._watches.get(name, ()):
                watch.see(first, records)


class _Signal:
    """Told of a run's scores, keeps none of them."""

    def __init__(self) -> None:
        self.news = asyncio.Event()

    def see(self, _first: int, _records: bytes) -> None:
        self.news.set()


class RedisScoreWatch:
    """One run's scores as they come."""

    def __init__(self, ref: RunRef, reader: RedisRunReader) -> None:
        self._ref = ref
        self._reader = reader
        self._seen: dict[int, ScoreRecord] = {}
        self._news = asyncio.Event()

    def see(self, first: int, records: bytes) -> None:
        """Take in consecutive records from position `first` on."""
        for index in range(len(records) // SCORE_BYTES):
            record = ScoreRecord.from_bytes(records[index * SCORE_BYTES : (index + 1) * SCORE_BYTES])
            if record is not None:
                self._seen[first + index] = record
        self._news.set()

    async def wait(self, positions: Sequence[int], timeout_s: float) -> dict[int, ScoreRecord]:
        """See `ports.ScoreWatch.wait`. `positions` may hold duplicates' positions, scored long ago: those are looked
        up at once."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        wanted = set(positions)
        while not wanted <= self._seen.keys():
            left = deadline - asyncio.get_running_loop().time()
            self._news.clear()
            try:
                if left > 0:
                    await asyncio.wait_for(self._news.wait(), min(left, LOOK_EVERY_S))
                    continue
            except TimeoutError:
                pass
            await self.look(wanted)
            if left <= 0:
                break
        return {position: self._seen[position] for position in wanted if position in self._seen}

    async def look(self, positions: set[int]) -> None:
        """Read what is committed of these positions."""
        missing = sorted(positions - self._seen.keys())
        if not missing:
            return
        try:
            records = await self._reader.read_scores(self._ref, missing[0], missing[-1] - missing[0] + 1)
        except LogUnavailable:
            return
        self._seen |= {missing[0] + index: record for index, record in enumerate(records) if record is not None}
