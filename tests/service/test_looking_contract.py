"""What whoever looks on may rely on: the same of Redis and of the fake that stands for it in tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import pytest

from service.core.runs import run_state
from service.ports import RunReader, ScoreBoard, UpdateFeed
from service.records import (
    PartitionCommit,
    RunCommit,
    RunDescription,
    RunQuery,
    RunRecord,
    RunRef,
    RunSummary,
    ScoreRecord,
)
from service.redis_log.board import RedisScoreBoard
from service.redis_log.feed import RedisUpdateFeed
from tests.service.conftest import Core
from tests.service.fake_runs import EMPTY, FakeRuns

KINDS = ("embedded",)


class Happenings(Protocol):
    """What a store is made to go through."""

    async def describe(self, run_id: str, agent: str, project: str = "default") -> None: ...

    async def score(self, run_id: str, *risks: float) -> str: ...

    async def end(self, run_id: str) -> None: ...

    async def delete(self, run_id: str) -> None: ...

    async def cut(self) -> None: ...


class RedisHappenings:
    """The same, done to Redis as a worker does it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def describe(self, run_id: str, agent: str, project: str = "default") -> None:
        await self._core.log.describe(RunRef(project, run_id), RunDescription(agent), "m-fake")
        await asyncio.sleep(0.002)  # the next run is created in another millisecond

    async def score(self, run_id: str, *risks: float) -> str:
        ref = self._core.ref(run_id)
        positions = await self._core.post(run_id, *[b"{}"] * len(risks))
        partition = self._core.keys.partition_of(ref)
        lease = await self._core.partitions.acquire(partition, "w")
        assert lease is not None
        summary = RunSummary(
            steps=positions[-1] + 1, risk=risks[-1], failure_probability=risks[-1], max_score=max(risks)
        )
        scores = tuple(ScoreRecord(0, risk, risk, risk, 0, 1) for risk in risks)
        change = RunCommit(ref, b"s", summary, positions[0], scores)
        [done] = await self._core.partitions.commit([PartitionCommit(partition, lease.fence, lease.cursor, (change,))])
        assert done
        await self._core.partitions.release([lease], "w")
        return (await self._feed(partition))[-1]

    async def end(self, run_id: str) -> None:
        await self._core.log.end(self._core.ref(run_id))

    async def delete(self, run_id: str) -> None:
        ref = self._core.ref(run_id)
        await self._core.client.delete(self._core.keys.of_run(ref).run(ref))

    async def cut(self) -> None:
        for partition in range(self._core.keys.count):
            await self._core.client.xtrim(self._core.keys[partition].feed, maxlen=1, approximate=False)

    async def _feed(self, partition: int) -> list[str]:
        rows: Any = await self._core.client.xrange(self._core.keys[partition].feed)
        return [entry_id.decode() for entry_id, _ in rows]


class Contract:
    """Subclasses give the fixtures `happen`, `reader`, `feed`, `board` and `partition`, where run `a` is."""

    async def names(self, reader: RunReader, limit: int, **asked: Any) -> list[list[str]]:
        """The pages of a listing, to its end."""
        pages, mark = [], None
        while True:
            runs, mark = await reader.list_runs(RunQuery("default", limit, mark, **asked))
            pages.append([record.ref.run_id for record in runs])
            if mark is None:
                return pages

    async def record(self, reader: RunReader, run_id: str) -> RunRecord:
        [record] = await reader.read_runs([RunRef("default", run_id)])
        assert record is not None
        return record

    async def test_runs_come_newest_first_by_pages_and_only_the_projects_own(
        self, happen: Happenings, reader: RunReader
    ) -> None:
        for name in ("a", "b", "c"):
            await happen.describe(name, "desk")
        await happen.describe("foreign", "desk", project="other")
        assert await self.names(reader, 2) == [["c", "b"], ["a"]]
        assert await self.names(reader, 3) == [["c", "b", "a"]]
        assert await self.names(reader, 2, agent="nobody") == [[]]

    async def test_records_come_in_the_order_asked_for_with_none_for_what_is_not_there(
        self, happen: Happenings, reader: RunReader
    ) -> None:
        for name in ("a", "b", "gone"):
            await happen.describe(name, name)
        await happen.delete("gone")
        refs = [RunRef("default", name) for name in ("b", "nobody", "a", "gone")]
        records = await reader.read_runs(refs)
        assert [record and record.agent for record in records] == ["b", None, "a", None]
        assert await reader.read_agents(refs[:3]) == ["b", "", "a"]
        assert await reader.read_run(refs[0]) == records[0]

    async def test_scores_are_in_the_record_and_by_position(self, happen: Happenings, reader: RunReader) -> None:
        await happen.score("a", 0.25, 0.5)
        await happen.score("a", 0.75)
        record = await self.record(reader, "a")
        assert (record.accepted, record.summary.steps, record.summary.risk) == (3, 3, 0.75)
        scores = await reader.read_scores(record.ref, 1, 100)
        assert [score and score.risk for score in scores] == [0.5, 0.75]
        assert await reader.read_scores(record.ref, 3, 100) == []

    async def test_an_end_is_in_the_record(self, happen: Happenings, reader: RunReader) -> None:
        await happen.score("a", 0.25)
        assert run_state(await self.record(reader, "a")) == "ok"
        await happen.end("a")
        assert run_state(await self.record(reader, "a")) == "ended"

    async def test_the_feed_is_read_on_from_its_newest_entry(
        self, happen: Happenings, feed: UpdateFeed, partition: int
    ) -> None:
        assert (await feed.newest())[partition] == EMPTY
        entries = [await happen.score("a", 0.25), await happen.score("a", 0.5, 0.75), await happen.score("a", 1.0)]
        assert (await feed.newest())[partition] == entries[-1]
        page = await feed.read({partition: entries[0]}, 1)
        assert ([entry.entry_id for entry in page.entries], page.more, page.without) == (
            [entries[1]],
            {partition},
            frozenset(),
        )
        [(ref, position, score)] = page.entries[0].scores
        assert (ref.run_id, position, score.risk) == ("a", 2, 0.75)
        page = await feed.read({partition: entries[2]}, 1)
        assert (page.entries, page.more, page.without) == ([], frozenset(), frozenset())

    async def test_a_feed_that_was_cut_says_so(self, happen: Happenings, feed: UpdateFeed, partition: int) -> None:
        entries = [await happen.score("a", 0.25), await happen.score("a", 0.5), await happen.score("a", 0.75)]
        assert not await feed.is_cut({partition: entries[0]})
        await happen.cut()
        page = await feed.read({partition: entries[0]}, 10)
        assert ([entry.entry_id for entry in page.entries], page.without) == ([entries[2]], {partition})
        assert await feed.is_cut({partition: entries[0]})
        assert not await feed.is_cut({partition: entries[2]})

    async def test_a_commit_is_told_of(self, happen: Happenings, board: ScoreBoard, partition: int) -> None:
        async with board.commits() as signal:
            await happen.score("a", 0.25)
            async with asyncio.timeout(5):
                await signal.news.wait()
            assert signal.take() == {partition}
            assert signal.take() == set()


class TestTheFake(Contract):
    @pytest.fixture
    def happen(self) -> FakeRuns:
        return FakeRuns()

    @pytest.fixture
    def reader(self, happen: FakeRuns) -> RunReader:
        return happen

    @pytest.fixture
    def feed(self, happen: FakeRuns) -> UpdateFeed:
        return happen

    @pytest.fixture
    def board(self, happen: FakeRuns) -> ScoreBoard:
        return happen

    @pytest.fixture
    def partition(self) -> int:
        return 0


class TestRedis(Contract):
    @pytest.fixture
    def happen(self, core: Core) -> Happenings:
        return RedisHappenings(core)

    @pytest.fixture
    def reader(self, core: Core) -> RunReader:
        return core.reader

    @pytest.fixture
    def feed(self, core: Core) -> UpdateFeed:
        return RedisUpdateFeed(core.client, core.keys)

    @pytest.fixture
    async def board(self, core: Core) -> AsyncIterator[ScoreBoard]:
        board = RedisScoreBoard(core.client, core.keys, core.reader)
        yield board
        await board.close()

    @pytest.fixture
    def partition(self, core: Core) -> int:
        return core.keys.partition_of(core.ref("a"))
