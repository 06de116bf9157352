"""Spans come when they end, from several places: put in order by that in a short time, each once, and never lost."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Crowded, Overloaded, RunClosed, RunFull, ServiceError
from service.records import Appended, NewStep, StepGroup
from service.redis_log.connection import build_client
from service.redis_log.ingest import AppendLimits, RedisStepLog
from tests.service.conftest import Core, build_core
from tests.service.test_step_log import in_stream, step

EVER = 2**60
T0 = 1_773_648_000_000_000_000


def span(number: int, name: str = "") -> NewStep:
    """A span that ended at this number of nanoseconds."""
    return NewStep(step(number), name or f"span-{number}", ended_ns=T0 + number)


async def hold(core: Core, *numbers: int, run_id: str = "a", agent: str = "", service: str = "") -> list[object]:
    steps = tuple(span(number) for number in numbers)
    (answers,) = await core.log.append([StepGroup(core.ref(run_id), steps, "m-fake", agent=agent, service=service)])
    return list(answers)


async def tidy(core: Core, held_ms: int = EVER) -> None:
    for partition in range(core.keys.count):
        lease = await core.partitions.acquire(partition, "w")
        assert lease is not None
        await core.partitions.tidy(lease, early_ms=0, idle_ms=0, held_ms=held_ms)


async def stored(core: Core, run_id: str = "a") -> list[int]:
    return [orjson.loads(data)["n"] for data in await in_stream(core, run_id)]


async def backlog(core: Core) -> int:
    return sum(await core.reader.backlog())


async def test_spans_wait_and_then_get_their_places_in_the_order_in_which_they_ended(core: Core) -> None:
    assert await hold(core, 3, 1) == [Appended(None), Appended(None)]
    assert await hold(core, 2) == [Appended(None)]
    assert await stored(core) == []
    await tidy(core)
    assert await stored(core) == [1, 2, 3]


async def test_what_waits_counts_as_waiting_to_be_scored(core: Core) -> None:
    await hold(core, 1, 2)
    assert await backlog(core) == 2
    await tidy(core)
    assert await backlog(core) == 2


async def test_nothing_gets_its_place_before_its_time_is_over(core: Core) -> None:
    await hold(core, 1)
    await tidy(core, held_ms=1)
    assert await stored(core) == []


async def test_a_span_whose_time_is_over_takes_those_along_that_ended_before_it(core: Core) -> None:
    await hold(core, 5)
    ((_, arrived),) = await core.client.zrange(core.keys.of_run(core.ref("a")).held, 0, -1, withscores=True)
    await asyncio.sleep(0.05)
    await hold(core, 4, 6)
    await tidy(core, held_ms=int(arrived) + 10)
    assert await stored(core) == [4, 5]
    await tidy(core)
    assert await stored(core) == [4, 5, 6]


async def test_a_span_that_comes_later_than_the_wait_is_put_at_the_end(core: Core) -> None:
    await hold(core, 5)
    await tidy(core)
    await hold(core, 4)
    await tidy(core)
    assert await stored(core) == [5, 4]


async def test_spans_that_ended_together_keep_the_order_of_their_arrival(core: Core) -> None:
    group = StepGroup(core.ref("a"), tuple(NewStep(step(n), f"s{n}", ended_ns=T0) for n in (7, 3, 5)), "m-fake")
    await core.log.append([group])
    await tidy(core)
    assert await stored(core) == [7, 3, 5]


@given(order=st.permutations(range(9)), cuts=st.lists(st.integers(1, 8), max_size=4), again=st.integers(0, 8))
@settings(max_examples=30, deadline=None)
def test_any_order_within_the_wait_gives_the_same_run(
    redis_url: str, order: list[int], cuts: list[int], again: int
) -> None:
    async def check() -> None:
        client = build_client(redis_url)
        try:
            await client.flushall()
            core = build_core(client)
            for first, last in pairwise([0, *sorted(set(cuts)), 9]):
                await hold(core, *order[first:last])
            assert await hold(core, again) == [Appended(None, duplicate=True)]
            await tidy(core)
            assert await stored(core) == list(range(9))
            assert await backlog(core) == 9
        finally:
            await client.aclose()

    asyncio.run(check())


async def test_a_repeat_is_known_by_its_id_whether_it_waits_or_has_its_place(core: Core) -> None:
    first = await hold(core, 1, 1)
    assert first == [Appended(None), Appended(None, duplicate=True)]
    await tidy(core)
    changed = NewStep(step(99), "span-1", ended_ns=T0)
    ((again,),) = await core.log.append([StepGroup(core.ref("a"), (changed,), "m-fake")])
    assert again == Appended(0, duplicate=True)
    assert await stored(core) == [1]


async def test_the_end_of_a_run_ends_the_wait_and_shuts_later_spans_out(core: Core) -> None:
    await hold(core, 2, 1)
    await core.log.end(core.ref("a"))
    assert await stored(core) == [1, 2]
    (late,) = await hold(core, 3)
    assert isinstance(late, RunClosed)
    assert await hold(core, 2) == [Appended(1, duplicate=True)]


async def test_the_agent_named_by_the_time_of_the_first_place_settles_the_group(core: Core) -> None:
    await hold(core, 1, service="shop")
    await hold(core, 2, agent="clerk")
    await tidy(core)
    await hold(core, 3, agent="other")
    (progress,) = await core.partitions.load([core.ref("a")])
    record = await core.reader.read_run(core.ref("a"))
    assert record is not None
    assert (progress.group, record.agent, record.monitor_id) == ("clerk", "clerk", "m-fake")


async def test_the_agent_named_by_then_settles_the_monitor_and_its_shadow(core: Core) -> None:
    for run_id, agents in (("a", ("", "clerk")), ("b", ("", ""))):
        for number, agent in enumerate(agents):
            group = StepGroup(core.ref(run_id), (span(number),), "m-1", "m-2", {"clerk": "m-3"}, agent)
            await core.log.append([group])
    await tidy(core)
    rows = [await core.client.hmget(core.keys.of_run(ref).run(ref), "monitor", "shadow") for ref in map(core.ref, "ab")]
    assert rows == [[b"m-3", b"m-2"], [b"m-1", b"m-2"]]


async def test_the_service_stands_for_an_agent_that_no_span_names(core: Core) -> None:
    await hold(core, 1, service="shop")
    await tidy(core)
    (progress,) = await core.partitions.load([core.ref("a")])
    assert progress.group == "shop"


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (AppendLimits(max_steps_per_run=2), RunFull),
        (AppendLimits(max_backlog=2), Overloaded),
    ],
)
async def test_spans_that_wait_count_towards_the_limits(
    core: Core, limits: AppendLimits, error: type[ServiceError]
) -> None:
    core.log = RedisStepLog(core.client, core.keys, limits)
    await hold(core, 1, 2)
    (refused,) = await hold(core, 3)
    assert isinstance(refused, error)
    assert await hold(core, 1) == [Appended(None, duplicate=True)]


async def test_one_more_live_run_than_may_be_is_refused(core: Core) -> None:
    core.log = RedisStepLog(core.client, core.keys, AppendLimits(max_live_runs=core.keys.count))
    partition = core.keys.partition_of(core.ref("a"))
    other = next(name for name in (f"r{n}" for n in range(100)) if core.keys.partition_of(core.ref(name)) == partition)
    await hold(core, 1)
    (refused,) = await hold(core, 1, run_id=other)
    assert isinstance(refused, Crowded)
    assert await hold(core, 2) == [Appended(None)]


async def test_what_waits_of_a_run_that_was_deleted_goes_with_it(core: Core) -> None:
    await hold(core, 1, 2)
    keys = core.keys.of_run(core.ref("a"))
    await core.client.delete(keys.run(core.ref("a")))
    await tidy(core)
    assert await stored(core) == []
    assert await backlog(core) == 0
    assert await core.client.exists(keys.held, keys.run_held(core.ref("a"))) == 0


async def test_steps_of_both_kinds_share_a_write_and_a_run(core: Core) -> None:
    answers = await asyncio.gather(hold(core, 1), core.post("a", step(100)), hold(core, 2, run_id="b"))
    assert answers == [[Appended(None)], [0], [Appended(None)]]
    await tidy(core)
    assert await stored(core) == [100, 1]


async def test_spans_are_scored_in_their_order_once(core: Core) -> None:
    await core.post("in-order", *[step(n) for n in range(5)])
    for number in (3, 0, 4, 4, 2, 1):
        await hold(core, number, run_id="mixed")
    await tidy(core)
    async with core.working():
        await core.until_scored("in-order", 5)
        await core.until_scored("mixed", 5)
    assert await core.scores("mixed") == await core.scores("in-order")
