"""The runs of a project as they stand right now, for whoever looks on: a table in memory that the feed keeps fresh.

One table a project and process, and none while nobody looks. Risks come from the feed as they are committed; what the
feed does not tell (endings, acknowledgements, names) is read again, a portion of the runs at a time and those that are
shown every time. So a list of thousands of runs costs the one who looks a digest a second, however fast steps come.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from service.core.live import LiveFeed, Reset, Update
from service.core.runs import run_state
from service.errors import TransientError
from service.ports import RunReader
from service.records import RunQuery, RunRecord, RunRef

log = logging.getLogger(__name__)

RUNS_KEPT = 20_000
TRAIL = 32
DIGEST_EVERY_S = 1.0
READ_AT_ONCE = 500
READ_AGAIN = 200
LINGER_S = 10.0
LIVE_STATES = frozenset({"ok", "warning", "acknowledged", "recovered"})
Sort = Literal["risk", "newest"]


@dataclass(frozen=True, slots=True)
class LiveQuery:
    """Which runs to show. `state` is one of a run's states, `live` (not over) or `all`; `search` is part of a run's
    name; `min_risk` 0 … 1. In their order the runs from place `first` (0 for the top) on are shown, `limit` of them."""

    project: str
    state: str = "live"
    agent: str = ""
    monitor: str = ""
    min_risk: float = 0.0
    search: str = ""
    sort: Sort = "risk"
    limit: int = 50
    first: int = 0


@dataclass(slots=True)
class LiveRow:
    """A run in the table. `trail` holds its latest risks, oldest first."""

    ref: RunRef
    record: RunRecord | None = None
    agent: str = ""
    risk: float = 0.0
    failure_probability: float = 0.0
    position: int = -1
    updated_ms: int = 0
    trail: deque[float] = field(default_factory=lambda: deque(maxlen=TRAIL))

    @property
    def state(self) -> str:
        """See `run_state`; `ok` while only the feed has told of it."""
        return "ok" if self.record is None else run_state(self.record)


@dataclass(frozen=True, slots=True)
class Digest:
    """What to show now, in order; of how many runs that match; of how many that are known."""

    rows: tuple[LiveRow, ...]
    matching: int
    known: int


class LiveTable:
    """A project's runs, at most so many: those that were touched longest ago go first."""

    def __init__(self, most: int = RUNS_KEPT) -> None:
        self._most = most
        # By when they were touched, as far as that is known: runs that nobody touches come as they are read.
        self._rows: OrderedDict[str, LiveRow] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, ref: RunRef, record: RunRecord | None) -> None:
        """Take a run's record; None removes the run. An older record never hides what the feed has told since."""
        if record is None:
            self._rows.pop(ref.run_id, None)
            return
        row = self._rows.get(ref.run_id)
        if row is None:
            row = LiveRow(ref)
            is_oldest = bool(self._rows) and record.updated_ms < next(iter(self._rows.values())).updated_ms
            self._rows[ref.run_id] = row
            self._rows.move_to_end(ref.run_id, last=not is_oldest)
            self._bound()
        row.record, row.agent = record, record.agent
        row.updated_ms = max(row.updated_ms, record.updated_ms)
        summary = record.summary
        if summary.max_score is not None and summary.steps - 1 > row.position:
            if row.trail:
                row.trail.append(summary.risk)
            row.position, row.risk = summary.steps - 1, summary.risk
            row.failure_probability = summary.failure_probability

    def apply(self, update: Update) -> None:
        """Take a score that was just committed."""
        name = update.ref.run_id
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = LiveRow(update.ref)
            self._bound()
        elif update.position < row.position:
            return
        if update.position > row.position or not row.trail:
            row.trail.append(update.record.risk)
        row.position, row.risk = update.position, update.record.risk
        row.failure_probability = update.record.failure_probability
        row.agent = update.agent or row.agent
        row.updated_ms = max(row.updated_ms, update.record.received_ms)
        self._rows.move_to_end(name)

    def rank(self, query: LiveQuery) -> Digest:
        """The runs to show, the riskiest or the newest first."""
        found = [row for row in self._rows.values() if _matches(row, query)]
        last = query.first + query.limit
        if query.sort == "risk":
            rows = heapq.nlargest(last, found, key=lambda row: (row.risk, row.updated_ms, row.ref.run_id))
        else:
            rows = heapq.nlargest(last, found, key=lambda row: (_created_ms(row), row.ref.run_id))
        return Digest(tuple(rows[query.first :]), len(found), len(self._rows))

    def without_record(self, most: int) -> list[RunRef]:
        """Runs of which only the feed has told."""
        return [row.ref for row in islice((row for row in self._rows.values() if row.record is None), most)]

    def refs(self) -> list[RunRef]:
        """Every run."""
        return [row.ref for row in self._rows.values()]

    def _bound(self) -> None:
        if len(self._rows) > self._most:
            self._rows.popitem(last=False)


class _Watch:
    """A table that is kept fresh while somebody looks on."""

    def __init__(self, most: int) -> None:
        self.table = LiveTable(most)
        self.viewers = 0
        self.left_at = 0.0
        self.is_filled = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.to_read: deque[RunRef] = deque()


class LiveRuns:
    """The tables of all projects that somebody looks at, each of at most so many runs."""

    def __init__(self, feed: LiveFeed, reader: RunReader, most: int = RUNS_KEPT) -> None:
        self._feed = feed
        self._reader = reader
        self._most = most
        self._watches: dict[str, _Watch] = {}

    @property
    def tables(self) -> int:
        """How many projects' tables are kept now."""
        return len(self._watches)

    async def look(self, query: LiveQuery) -> AsyncGenerator[Digest, None]:
        """What to show, at once and again every second. Raises TransientError."""
        watch = self._watch(query.project)
        watch.viewers += 1
        try:
            while True:
                began = time.monotonic()
                yield await self._digest(watch, query)
                await asyncio.sleep(max(0.05, DIGEST_EVERY_S - (time.monotonic() - began)))
        finally:
            watch.viewers -= 1
            watch.left_at = time.monotonic()

    async def show(self, query: LiveQuery) -> Digest:
        """What to show now. Raises TransientError."""
        async with aclosing(self.look(query)) as looking:
            return await anext(looking)

    async def close(self) -> None:
        """Stop reading."""
        tasks = [watch.task for watch in self._watches.values() if watch.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _watch(self, project: str) -> _Watch:
        watch = self._watches.get(project)
        if watch is None or watch.task is None or watch.task.done():
            watch = self._watches[project] = _Watch(self._most)
            watch.task = asyncio.create_task(self._keep(project, watch), name=f"live runs of {project}")
        return watch

    async def _digest(self, watch: _Watch, query: LiveQuery) -> Digest:
        assert watch.task is not None
        filled = asyncio.ensure_future(watch.is_filled.wait())
        try:
            await asyncio.wait({filled, watch.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            filled.cancel()
        if watch.task.done():
            watch.task.result()
        shown = watch.table.rank(query)
        await self._read(watch.table, [row.ref for row in shown.rows])
        # What was just read may say that a run is over, or another's.
        shown = watch.table.rank(query)
        await asyncio.gather(*(self._read_trail(row) for row in shown.rows if len(row.trail) < 2 <= row.position + 1))
        return shown

    async def _keep(self, project: str, watch: _Watch) -> None:
        """Keep the table while somebody looks, and forget it in the end."""
        try:
            await self._follow(project, watch)
        except TransientError as error:
            if watch.viewers:
                raise
            log.info("the list of live runs, at which nobody looks, is let go: %s", error)
        finally:
            if self._watches.get(project) is watch:
                del self._watches[project]

    async def _follow(self, project: str, watch: _Watch) -> None:
        """Fill the table, keep it fresh, and leave some time after the last onlooker has."""
        next_at = 0.0
        filling: asyncio.Task[None] | None = None
        try:
            async with aclosing(self._feed.look(project, None)) as looking:
                async for news in looking:
                    if isinstance(news, Reset) or filling is None:
                        if filling is not None:
                            filling.cancel()
                        filling = asyncio.create_task(self._fill(project, watch))
                    else:
                        for update in news.updates:
                            watch.table.apply(update)
                    now = time.monotonic()
                    if filling.done():
                        filling.result()
                    if watch.is_filled.is_set() and now >= next_at:
                        next_at = now + DIGEST_EVERY_S
                        await self._refresh(watch)
                    if not watch.viewers and now - watch.left_at > LINGER_S:
                        return
        finally:
            if filling is not None:
                filling.cancel()

    async def _fill(self, project: str, watch: _Watch) -> None:
        mark, seen = None, 0
        while seen < self._most:
            runs, mark = await self._reader.list_runs(RunQuery(project, READ_AT_ONCE, mark))
            for record in runs:
                watch.table.put(record.ref, record)
            seen += len(runs)
            watch.is_filled.set()
            if mark is None:
                break
            await asyncio.sleep(0)
        watch.is_filled.set()

    async def _refresh(self, watch: _Watch) -> None:
        refs = watch.table.without_record(READ_AT_ONCE)
        if not watch.to_read:
            watch.to_read.extend(watch.table.refs())
        refs += [watch.to_read.popleft() for _ in range(min(READ_AGAIN, len(watch.to_read)))]
        try:
            await self._read(watch.table, refs)
        except TransientError as error:
            log.warning("the list of live runs is not read again now: %s", error)

    async def _read(self, table: LiveTable, refs: Sequence[RunRef]) -> None:
        for ref, record in zip(refs, await self._reader.read_runs(refs) if refs else [], strict=True):
            table.put(ref, record)

    async def _read_trail(self, row: LiveRow) -> None:
        first = max(0, row.position + 1 - TRAIL)
        scores = await self._reader.read_scores(row.ref, first, row.position + 1 - first)
        risks = [score.risk for score in scores if score is not None]
        if len(risks) > len(row.trail):
            row.trail.clear()
            row.trail.extend(risks)


def _created_ms(row: LiveRow) -> int:
    return row.updated_ms if row.record is None else row.record.created_ms


def _matches(row: LiveRow, query: LiveQuery) -> bool:
    if row.risk < query.min_risk or (query.agent and row.agent != query.agent):
        return False
    if query.monitor and (row.record is None or row.record.monitor_id != query.monitor):
        return False
    if query.search and query.search.lower() not in row.ref.run_id.lower():
        return False
    if query.state == "all":
        return True
    state = row.state
    return state in LIVE_STATES if query.state == "live" else state == query.state
