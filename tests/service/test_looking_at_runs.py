"""Whoever looks at the list of live runs: filled at first, kept fresh, read again after a gap, let go in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import pytest

from service.core import live, live_runs
from service.core.live import LiveFeed
from service.core.live_runs import Digest, LiveQuery, LiveRuns
from service.errors import LogUnavailable
from tests.service.fake_runs import FakeRuns

SOON_S = 0.01
ALL = LiveQuery("default")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second takes ten milliseconds here."""
    for where, name in ((live, "IDLE_S"), (live, "LOOK_EVERY_S"), (live_runs, "DIGEST_EVERY_S"), (live, "GATHER_S")):
        monkeypatch.setattr(where, name, SOON_S)


@pytest.fixture
def store() -> FakeRuns:
    return FakeRuns()


Build = Callable[..., LiveRuns]


@pytest.fixture
async def build(store: FakeRuns) -> AsyncIterator[Build]:
    feed = LiveFeed(store, store, store)
    made: list[LiveRuns] = []

    def build_runs(**options: int) -> LiveRuns:
        made.append(LiveRuns(feed, store, **options))
        return made[-1]

    yield build_runs
    for runs in made:
        await runs.close()
    await feed.close()


@pytest.fixture
def runs(build: Build) -> LiveRuns:
    return build()


async def until(looking: AsyncGenerator[Digest, None], holds: Callable[[Digest], bool]) -> Digest:
    """The first digest of which it holds."""
    async with asyncio.timeout(5):
        async for shown in looking:
            if holds(shown):
                return shown
    raise AssertionError("the digests ended")


def names(shown: Digest) -> list[str]:
    return [row.ref.run_id for row in shown.rows]


async def test_what_was_there_before_is_shown_page_by_page(
    store: FakeRuns, runs: LiveRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_runs, "READ_AT_ONCE", 2)
    for number in range(5):
        await store.score(f"r{number}", number / 10)
    await store.describe("foreign", "", project="other")
    async with aclosing(runs.look(ALL)) as looking:
        shown = await until(looking, lambda one: one.known == 5)
    assert names(shown) == ["r4", "r3", "r2", "r1", "r0"]
    assert store.asked["list"] == 3


async def test_a_score_that_comes_moves_its_run_up_and_lengthens_its_curve(store: FakeRuns, runs: LiveRuns) -> None:
    await store.score("a", 0.1, 0.2)
    await store.score("b", 0.5)
    async with aclosing(runs.look(ALL)) as looking:
        first = await until(looking, lambda one: one.known == 2)
        assert (names(first), list(first.rows[1].trail)) == (["b", "a"], pytest.approx([0.1, 0.2]))
        await store.score("a", 0.9)
        shown = await until(looking, lambda one: names(one) == ["a", "b"])
    assert list(shown.rows[0].trail) == pytest.approx([0.1, 0.2, 0.9])


async def test_a_new_run_is_shown_with_what_is_said_of_it(store: FakeRuns, runs: LiveRuns) -> None:
    async with aclosing(runs.look(ALL)) as looking:
        assert names(await anext(looking)) == []
        await store.describe("new", "desk")
        await store.score("new", 0.4)
        shown = await until(looking, lambda one: one.rows != () and one.rows[0].record is not None)
    assert (names(shown), shown.rows[0].agent) == (["new"], "desk")


async def test_an_end_beyond_what_is_shown_is_noticed_by_reading_again(store: FakeRuns, runs: LiveRuns) -> None:
    for number in range(4):
        await store.score(f"r{number}", 0.9 - number / 10)
    async with aclosing(runs.look(LiveQuery("default", limit=1))) as looking:
        await until(looking, lambda one: one.matching == 4)
        await store.end("r3")
        shown = await until(looking, lambda one: one.matching == 3)
    assert (names(shown), shown.known) == (["r0"], 4)


async def test_a_run_that_ends_or_is_deleted_leaves_what_is_shown_at_once(store: FakeRuns, runs: LiveRuns) -> None:
    for name in ("ends", "goes", "stays"):
        await store.score(name, 0.5)
    async with aclosing(runs.look(ALL)) as looking:
        await until(looking, lambda one: one.matching == 3)
        await store.end("ends")
        await store.delete("goes")
        shown = await anext(looking)
    assert (names(shown), shown.known) == (["stays"], 2)


async def test_what_was_missed_is_read_again(store: FakeRuns, runs: LiveRuns) -> None:
    await store.score("a", 0.1)
    async with aclosing(runs.look(ALL)) as looking:
        await until(looking, lambda one: one.known == 1)
        for risk in (0.2, 0.8):
            await store.score("a", risk, is_told=False)
        await store.score("missed", 0.5, is_told=False)
        await store.score("told", 0.3, is_told=False)
        await store.cut()
        shown = await until(looking, lambda one: one.known == 3)
    assert names(shown) == ["a", "missed", "told"]
    assert shown.rows[0].risk == pytest.approx(0.8)
    assert shown.rows[0].trail[-1] == pytest.approx(0.8)


async def test_of_more_runs_than_a_table_holds_the_newest_are_kept(store: FakeRuns, build: Build) -> None:
    for number in range(5):
        await store.score(f"r{number}", 0.5)
    async with aclosing(build(most=3).look(LiveQuery("default", sort="newest"))) as looking:
        shown = await until(looking, lambda one: one.known == 3)
        assert names(shown) == ["r4", "r3", "r2"]
        await store.score("r5", 0.5)
        shown = await until(looking, lambda one: "r5" in names(one))
    assert names(shown) == ["r5", "r4", "r3"]


async def test_a_full_table_too_is_read_again_after_a_gap(store: FakeRuns, build: Build) -> None:
    for number in range(3):
        await store.score(f"r{number}", 0.5)
    async with aclosing(build(most=3).look(ALL)) as looking:
        await until(looking, lambda one: one.known == 3)
        await store.score("missed", 0.9, is_told=False)
        await store.score("r2", 0.6, is_told=False)
        await store.cut()
        shown = await until(looking, lambda one: "missed" in names(one))
    assert names(shown) == ["missed", "r2", "r1"]


async def test_all_who_look_share_one_table_which_lingers_after_the_last_of_them(
    store: FakeRuns, runs: LiveRuns
) -> None:
    await store.score("a", 0.5)
    async with aclosing(runs.look(ALL)) as first, aclosing(runs.look(ALL)) as second:
        assert names(await anext(first)) == names(await anext(second)) == ["a"]
    assert names(await runs.show(ALL)) == ["a"]
    assert store.asked["list"] == 1


async def test_after_a_while_without_onlookers_nothing_is_read_or_kept(
    store: FakeRuns, runs: LiveRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_runs, "LINGER_S", 3 * SOON_S)
    await runs.show(ALL)
    async with asyncio.timeout(5):
        while runs.tables:  # noqa: ASYNC110 - what is looked at has no event of its own
            await asyncio.sleep(SOON_S)
    await asyncio.sleep(5 * SOON_S)
    asked = store.asked.total()
    await asyncio.sleep(5 * SOON_S)
    assert store.asked.total() == asked
    await store.score("a", 0.5)
    assert names(await runs.show(ALL)) == ["a"]


@pytest.mark.parametrize("is_known", [False, True], ids=["before the first look", "while one looks"])
async def test_where_the_log_is_away_that_is_told_and_later_all_is_as_before(
    store: FakeRuns, runs: LiveRuns, is_known: bool
) -> None:
    await store.score("a", 0.5)
    if is_known:
        await runs.show(ALL)
    store.away = True
    with pytest.raises(LogUnavailable):
        await runs.show(ALL)
    store.away = False
    await store.score("b", 0.9)
    async with aclosing(runs.look(ALL)) as looking:
        shown = await until(looking, lambda one: one.known == 2)
    assert names(shown) == ["b", "a"]
