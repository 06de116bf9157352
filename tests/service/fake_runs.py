"""A project's runs and their feed in memory, for tests of whoever looks on: fits `ports.RunReader`, `ports.UpdateFeed`
and as much of `ports.ScoreBoard` as onlookers need. `test_looking_contract` holds it beside Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from service.core.live import moment_of
from service.core.runs import matches
from service.errors import LogUnavailable
from service.ports import ScoreWatch
from service.records import (
    AlertQuery,
    CommitSignal,
    FeedEntry,
    FeedPage,
    JsonObject,
    RunQuery,
    RunRecord,
    RunRef,
    RunSummary,
    ScoreRecord,
)

Mark = tuple[int, str]
EMPTY = "0-0"


class FakeRuns:
    """Runs of any project, in one partition. What is told of `away` is answered by nothing."""

    def __init__(self) -> None:
        self.away = False
        self.asked: Counter[str] = Counter()
        """How often each kind of reading was asked for."""
        self._records: dict[RunRef, RunRecord] = {}
        self._scores: dict[RunRef, list[ScoreRecord]] = {}
        self._feed: list[FeedEntry] = []
        self._is_cut = False
        self._signals: set[CommitSignal] = set()
        self._now_ms = 0

    # What happens.

    async def describe(self, run_id: str, agent: str, project: str = "default") -> None:
        """A run begins."""
        ref, now_ms = RunRef(project, run_id), self._tick()
        self._records[ref] = RunRecord(ref, now_ms, now_ms, 0, agent=agent, monitor_id="m-fake")

    async def score(self, run_id: str, *risks: float, is_told: bool = True) -> str:
        """Steps come and are scored in one commit; the feed's entry. Unless it is told, the signal is lost."""
        ref = RunRef("default", run_id)
        if ref not in self._records:
            await self.describe(run_id, "")
        record, scores, now_ms = self._records[ref], self._scores.setdefault(ref, []), self._tick()
        scores += [ScoreRecord(0, risk, risk, risk, 0, now_ms) for risk in risks]
        summary = RunSummary(steps=len(scores), risk=risks[-1], failure_probability=risks[-1], max_score=max(risks))
        self._records[ref] = replace(record, accepted=len(scores), updated_ms=now_ms, summary=summary)
        entry = FeedEntry(0, f"{now_ms}-0", ((ref, len(scores) - 1, scores[-1]),))
        self._feed.append(entry)
        for signal in self._signals if is_told else ():
            signal.note(0)
        return entry.entry_id

    async def end(self, run_id: str) -> None:
        """A run ends."""
        ref = RunRef("default", run_id)
        self._records[ref] = replace(self._records[ref], ended_ms=self._tick())

    async def delete(self, run_id: str) -> None:
        """A run is deleted."""
        del self._records[RunRef("default", run_id)]

    async def cut(self) -> None:
        """All but the newest entry leave the feed."""
        self._is_cut = self._is_cut or len(self._feed) > 1
        del self._feed[:-1]

    def _tick(self) -> int:
        self._now_ms += 1
        return self._now_ms

    def _ask(self, what: str) -> None:
        self.asked[what] += 1
        if self.away:
            raise LogUnavailable("this test's runs are away")

    # RunReader.

    async def list_runs(self, query: RunQuery) -> tuple[list[RunRecord], Mark | None]:
        self._ask("list")
        marks = sorted(((one.created_ms, one.ref.name) for one in self._records.values()), reverse=True)
        found: list[RunRecord] = []
        before = query.before
        for mark in marks:
            record = self._records[RunRef.from_name(mark[1])]
            if record.ref.project != query.project or not matches(record, query):
                continue
            if query.before is None or mark < query.before:
                if len(found) == query.limit:
                    return found, before
                found.append(record)
                before = mark
        return found, None

    async def read_run(self, ref: RunRef) -> RunRecord | None:
        return (await self.read_runs([ref]))[0]

    async def read_runs(self, refs: Sequence[RunRef]) -> list[RunRecord | None]:
        self._ask("runs")
        return [self._records.get(ref) for ref in refs]

    async def read_scores(self, ref: RunRef, first: int, count: int) -> list[ScoreRecord | None]:
        self._ask("scores")
        return list(self._scores.get(ref, [])[first : first + count])

    async def oldest_run_ms(self, project: str) -> int | None:
        return min((one.created_ms for one in self._records.values() if one.ref.project == project), default=None)

    async def read_agents(self, refs: Sequence[RunRef]) -> list[str]:
        return [self._records[ref].agent if ref in self._records else "" for ref in refs]

    async def read_run_alerts(self, ref: RunRef) -> list[JsonObject]:
        return []

    async def read_alert(self, project: str, alert_id: str) -> JsonObject | None:
        return None

    async def list_alerts(self, query: AlertQuery) -> tuple[list[JsonObject], Mark | None]:
        return [], None

    # UpdateFeed.

    async def newest(self) -> dict[int, str]:
        self._ask("newest")
        return {0: self._feed[-1].entry_id if self._feed else EMPTY}

    async def read(self, after: Mapping[int, str], count: int) -> FeedPage:
        self._ask("feed")
        last = after[0]
        new = [entry for entry in self._feed if moment_of(entry.entry_id) > moment_of(last)][:count]
        without = frozenset() if any(entry.entry_id == last for entry in self._feed) else frozenset({0})
        return FeedPage(new, frozenset({0}) if len(new) == count else frozenset(), without)

    async def is_cut(self, after: Mapping[int, str]) -> bool:
        return self._is_cut and moment_of(self._feed[0].entry_id) > moment_of(after[0])

    # ScoreBoard.

    @asynccontextmanager
    async def commits(self) -> AsyncIterator[CommitSignal]:
        signal = CommitSignal()
        self._signals.add(signal)
        try:
            yield signal
        finally:
            self._signals.discard(signal)

    def watch(self, ref: RunRef) -> AbstractAsyncContextManager[ScoreWatch]:
        raise NotImplementedError

    def signal(self, ref: RunRef) -> AbstractAsyncContextManager[asyncio.Event]:
        raise NotImplementedError
