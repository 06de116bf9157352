"""Who looks on: one reader of the feed a process, any number of onlookers, each with a bounded queue.

Nothing is read while nobody looks. An onlooker that is too slow, or was away for too long, is told that it missed
something (`Reset`) and goes on from now; it never makes the process hold more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Sequence, Set
from contextlib import aclosing
from dataclasses import dataclass

from service.errors import NameRefused, Overloaded, TransientError
from service.ports import RunReader, ScoreBoard, UpdateFeed
from service.records import CommitSignal, FeedEntry, JsonObject, RunRef, ScoreRecord

log = logging.getLogger(__name__)

# What comes within so short a time is read together.
GATHER_S = 0.02
# Signals may be missed, so all partitions are looked at so often.
LOOK_EVERY_S = 0.5
# Partitions are read at different moments: whoever resumes is given so much again, rather than nothing at all.
SLACK_MS = 1000
READ_AT_ONCE = 64
IDLE_S = 1.0
QUEUED_UPDATES = 2000
# An agent may be named after a run's first steps, so what is known of it is asked again.
AGENTS_KEPT, AGENT_KNOWN_S = 10_000, 5.0

_EVENT_ID = re.compile(r"(\d{1,15})-(\d{1,15})@(\d{1,4})", re.ASCII)
TOO_SLOW = "this connection did not take its events as fast as they came: some are missing"
TOO_OLD = "more has happened since than the feed goes back: some events are missing"


@dataclass(slots=True)
class Update:
    """A run's score, and the alert that it opened if it did."""

    ref: RunRef
    position: int
    record: ScoreRecord
    agent: str
    alert: JsonObject | None
    shown: tuple[bytes, ...] = ()
    """What the first onlooker made of it, for the others."""


@dataclass(frozen=True, slots=True)
class Updates:
    """The updates of one commit that concern an onlooker; `event_id` names what was reached once all were taken. None
    at all: nothing has happened, as far as this event."""

    event_id: str
    updates: tuple[Update, ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """Something was missed: whoever keeps a picture must make it anew."""

    reason: str
    event_id: str = ""


class Onlooker:
    """A bounded queue of what concerns one project."""

    def __init__(self, project: str, most: int = QUEUED_UPDATES) -> None:
        self.project = project
        self.passed = ""
        """All up to this event was taken, or did not concern this onlooker."""
        self._most = most
        self._queue: deque[Updates] = deque()
        self._queued = 0
        self._missed: Reset | None = None
        self._taken = ""
        self._is_taking = False
        self._news = asyncio.Event()

    def put(self, entry: FeedEntry, updates: Sequence[Update]) -> None:
        """Add a commit's updates; beyond the bound the queue is emptied and a `Reset` takes its place."""
        own = tuple(update for update in updates if update.ref.project == self.project)
        if not own:
            if not (self._queue or self._is_taking or self._missed):
                self.passed = entry.event_id
            return
        self._queue.append(Updates(entry.event_id, own))
        self._queued += len(own)
        if self._queued > self._most:
            self.miss(TOO_SLOW, entry.event_id)
        self._news.set()

    def miss(self, reason: str, event_id: str) -> None:
        """Forget what waits: the onlooker is told why."""
        self._queue.clear()
        self._queued = 0
        self._missed = Reset(reason, event_id)
        self._news.set()

    async def take(self, timeout_s: float) -> Updates | Reset | None:
        """The next updates, or None where none came in time. Asking says that the ones before were delivered."""
        if self._is_taking:
            self.passed, self._is_taking = self._taken, False
        if not (self._queue or self._missed):
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
        if self._missed is not None:
            reset, self._missed = self._missed, None
            self._taken, self._is_taking = reset.event_id, True
            return reset
        if not self._queue:
            return None
        updates = self._queue.popleft()
        self._queued -= len(updates.updates)
        self._taken, self._is_taking = updates.event_id, True
        return updates


class LiveFeed:
    """Reads the feed while anybody looks on, and hands every commit to every onlooker."""

    def __init__(self, feed: UpdateFeed, board: ScoreBoard, reader: RunReader) -> None:
        self._feed = feed
        self._board = board
        self._reader = reader
        self._onlookers: set[Onlooker] = set()
        self._cursors: dict[int, str] = {}
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._look_at = 0.0
        self.away: TransientError | None = None
        """Why nothing comes just now, if so."""
        self._agents: OrderedDict[RunRef, tuple[str, float]] = OrderedDict()

    async def look(self, project: str, last_event_id: str | None) -> AsyncGenerator[Updates | Reset, None]:
        """What happens in a project from now on, or after the event that was seen last. Comes without updates at the
        start, and every second while nothing happens. At least once: after resuming, a second's worth may come again.

        Raises NameRefused for an id that is none, LogUnavailable while Redis does not answer at the start.
        """
        seen = None if last_event_id is None else parse_event_id(last_event_id)
        onlooker = Onlooker(project)
        await self._join(onlooker)
        try:
            until = dict(self._cursors)
            onlooker.passed = last_event_id or newest_of(until)
            yield Updates(onlooker.passed, ())
            if seen is not None:
                async with aclosing(self._replay(project, seen, until)) as replay:
                    async for replayed in replay:
                        yield replayed
            while True:
                yield await onlooker.take(IDLE_S) or Updates(onlooker.passed, ())
        finally:
            self._onlookers.discard(onlooker)

    async def close(self) -> None:
        """Stop reading."""
        while self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait([self._reading], timeout=0.1)

    async def _join(self, onlooker: Onlooker) -> None:
        async with self._starting:
            if self._reading is None or self._reading.done():
                self._cursors = await self._feed.newest()
                self._onlookers.add(onlooker)
                self._reading = asyncio.create_task(self._read(), name="live feed")
        self._onlookers.add(onlooker)

    async def _replay(
        self, project: str, seen: tuple[int, int, int], until: dict[int, str]
    ) -> AsyncGenerator[Updates | Reset, None]:
        at_ms, number, own = seen
        after = {partition: f"{max(0, at_ms - SLACK_MS)}-0" for partition in until}
        if own in after:
            after[own] = f"{at_ms}-{number}"
        is_first = True
        while after:
            page = await self._feed.read(after, READ_AT_ONCE)
            # Asked after reading, so that nothing can have left the feed between the two.
            suspects = {one: after[one] for one in (after if is_first else page.without)}
            if suspects and await self._feed.is_cut(suspects):
                yield Reset(TOO_OLD, newest_of(until))
                return
            is_first = False
            wanted = [entry for entry in page.entries if moment_of(entry.entry_id) <= moment_of(until[entry.partition])]
            for entry in wanted:
                updates = [one for one in await self._to_updates(entry) if one.ref.project == project]
                if updates:
                    yield Updates(entry.event_id, tuple(updates))
            # Later pages come after earlier ones in each partition, which is all that order means here.
            after = {entry.partition: entry.entry_id for entry in wanted if entry.partition in page.more}

    async def _read(self) -> None:
        async with self._board.commits() as signal:
            while self._onlookers:
                try:
                    await self._read_on(await self._wait(signal))
                    self.away = None
                except TransientError as error:
                    self.away = error
                    log.warning("onlookers wait: %s", error)
                    await asyncio.sleep(LOOK_EVERY_S)
                except Exception:
                    # Whatever it was, going over it again would not mend it.
                    log.exception("the live feed could not be read, and goes on from now")
                    await asyncio.sleep(LOOK_EVERY_S)
                    with contextlib.suppress(TransientError):
                        await self._skip()

    async def _wait(self, signal: CommitSignal) -> set[int]:
        """The partitions to read: those that have committed, or all when it is time."""
        left_s = self._look_at - asyncio.get_running_loop().time()
        if left_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await signal.news.wait()
                    await asyncio.sleep(GATHER_S)
        committed, now = signal.take(), asyncio.get_running_loop().time()
        if now < self._look_at:
            return committed
        self._look_at = now + LOOK_EVERY_S
        return set(self._cursors)

    async def _read_on(self, partitions: Set[int]) -> None:
        while partitions:
            after = {partition: self._cursors[partition] for partition in partitions}
            page = await self._feed.read(after, READ_AT_ONCE)
            gone = {partition: after[partition] for partition in page.without}
            if gone and await self._feed.is_cut(gone):
                await self._skip()
                return
            for entry in page.entries:
                updates = await self._to_updates(entry)
                self._cursors[entry.partition] = entry.entry_id
                for onlooker in self._onlookers:
                    onlooker.put(entry, updates)
            partitions = page.more

    async def _skip(self) -> None:
        """Go on from now, and say so: what came between has left the feed."""
        self._cursors = await self._feed.newest()
        for onlooker in self._onlookers:
            onlooker.miss(TOO_SLOW, newest_of(self._cursors))

    async def _to_updates(self, entry: FeedEntry) -> list[Update]:
        agents = await self._read_agents([ref for ref, _, _ in entry.scores])
        updates = []
        for (ref, position, record), agent in zip(entry.scores, agents, strict=True):
            alert = None
            if record.alert:
                alerts = await self._reader.read_run_alerts(ref)
                alert = next((one for one in alerts if one.get("position") == position), None)
            updates.append(Update(ref, position, record, agent, alert))
        return updates

    async def _read_agents(self, refs: Sequence[RunRef]) -> list[str]:
        now = asyncio.get_running_loop().time()
        unknown = [ref for ref in dict.fromkeys(refs) if self._agents.get(ref, ("", 0.0))[1] <= now]
        if unknown:
            for ref, agent in zip(unknown, await self._reader.read_agents(unknown), strict=True):
                self._agents[ref] = (agent, now + AGENT_KNOWN_S)
                self._agents.move_to_end(ref)
        found = [self._agents[ref][0] for ref in refs]
        while len(self._agents) > AGENTS_KEPT:
            self._agents.popitem(last=False)
        return found


class StreamGate:
    """How many streams a process has open, and when all must end."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.open = 0
        self.is_closing = False

    def enter(self) -> None:
        """Count a stream; `leave` must follow. Raises Overloaded."""
        if self.is_closing or self.open >= self._limit:
            raise Overloaded(
                f"this process has {self.open} event streams open and takes {self._limit} (FOREWARN_MAX_STREAMS)",
                retry_after_s=5,
            )
        self.open += 1

    def leave(self) -> None:
        """A counted stream has ended."""
        self.open -= 1

    def close(self) -> None:
        """Every stream is to end soon, and none begins."""
        self.is_closing = True


def parse_event_id(raw_id: str) -> tuple[int, int, int]:
    """Milliseconds, number and partition of an event id. Raises NameRefused."""
    match = _EVENT_ID.fullmatch(raw_id)
    if match is None:
        raise NameRefused("Last-Event-ID", "this is no id of an event: give back the one that came with an event")
    return int(match[1]), int(match[2]), int(match[3])


def newest_of(cursors: dict[int, str]) -> str:
    """The newest of the partitions' last entries as an event id."""
    partition, entry_id = max(cursors.items(), key=lambda cursor: (moment_of(cursor[1]), -cursor[0]))
    return f"{entry_id}@{partition}"


def moment_of(entry_id: str) -> tuple[int, int]:
    """An entry's id as numbers that can be compared."""
    at, _, number = entry_id.partition("-")
    return int(at), int(number or 0)
