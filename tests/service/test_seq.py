"""Steps that carry `seq`: put in order before they get a position, late once their turn is over."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import IdReused, ServiceError, StepLate
from service.records import Appended, NewStep, StepGroup
from service.redis_log.connection import build_client
from service.redis_log.ingest import AppendLimits, RedisStepLog
from service.redis_log.scripts import SEQ_WINDOW
from tests.service.conftest import Core, build_core
from tests.service.test_step_log import in_stream, step


async def post(core: Core, *numbers: int, run_id: str = "a") -> list[Appended | ServiceError]:
    """Append steps whose number is their seq."""
    steps = tuple(NewStep(step(number), seq=number) for number in numbers)
    (answers,) = await core.log.append([StepGroup(core.ref(run_id), steps, "m-fake")])
    return answers


async def stored(core: Core, run_id: str = "a") -> list[int]:
    return [orjson.loads(data)["n"] for data in await in_stream(core, run_id)]


async def backlog(core: Core) -> int:
    return sum(await core.reader.backlog())


async def tidy(core: Core, early_ms: int) -> None:
    for partition in range(core.keys.count):
        lease = await core.partitions.acquire(partition, "w")
        assert lease is not None
        await core.partitions.tidy(lease, early_ms=early_ms, idle_ms=0)


async def test_a_step_that_comes_early_waits_and_then_gets_its_place(core: Core) -> None:
    assert await post(core, 0, 2) == [Appended(0), Appended(None)]
    assert await stored(core) == [0]
    assert await post(core, 1) == [Appended(1)]
    assert await stored(core) == [0, 1, 2]


@given(order=st.permutations(range(12)), cuts=st.lists(st.integers(1, 11), max_size=4))
@settings(max_examples=40, deadline=None)
def test_any_order_inside_the_window_gives_the_same_run(redis_url: str, order: list[int], cuts: list[int]) -> None:
    async def check() -> None:
        client = build_client(redis_url)
        try:
            await client.flushall()
            core = build_core(client)
            marks = [0, *sorted(set(cuts)), 12]
            for first, last in pairwise(marks):
                answers = await post(core, *order[first:last])
                assert all(isinstance(answer, Appended) for answer in answers)
            assert await stored(core) == list(range(12))
            assert await backlog(core) == 12
        finally:
            await client.aclose()

    asyncio.run(check())


async def test_a_repeat_is_a_duplicate_whether_its_step_waits_or_has_its_place(core: Core) -> None:
    await post(core, 0, 2)
    assert await post(core, 0, 2) == [Appended(0, duplicate=True), Appended(None, duplicate=True)]
    assert await backlog(core) == 1


async def test_another_step_under_a_taken_seq_is_refused(core: Core) -> None:
    await post(core, 0, 2)
    group = StepGroup(core.ref("a"), (NewStep(step(9), seq=0), NewStep(step(9), seq=2)), "m-fake")
    ((placed, waiting),) = await core.log.append([group])
    assert isinstance(placed, IdReused)
    assert isinstance(waiting, IdReused)


async def test_the_window_moves_on_and_what_is_missing_is_late_from_then_on(core: Core) -> None:
    await post(core, 0, 2, 3)
    assert await post(core, SEQ_WINDOW + 1) == [Appended(None)]
    assert await stored(core) == [0, 2, 3]
    (late,) = await post(core, 1)
    assert isinstance(late, StepLate)
    assert late.seq == 1


async def test_no_more_steps_wait_than_the_window_holds(core: Core) -> None:
    for number in range(1, 1000, 3):
        await post(core, number)
    held = await core.client.hlen(core.keys.of_run(core.ref("a")).run_early(core.ref("a")))
    assert held <= SEQ_WINDOW
    assert await stored(core) == sorted(await stored(core))


async def test_early_steps_wait_no_longer_than_they_may(core: Core) -> None:
    await post(core, 1, 3)
    await tidy(core, early_ms=0)
    assert await stored(core) == []
    await tidy(core, early_ms=2**60)
    assert await stored(core) == [1, 3]
    (late,) = await post(core, 2)
    assert isinstance(late, StepLate)
    assert await post(core, 4) == [Appended(2)]


async def test_the_end_of_a_run_ends_the_wait(core: Core) -> None:
    await post(core, 1, 3)
    await core.log.end(core.ref("a"))
    assert await stored(core) == [1, 3]
    assert await backlog(core) == 2


async def test_early_steps_count_towards_the_steps_of_a_run(core: Core) -> None:
    core.log = RedisStepLog(core.client, core.keys, AppendLimits(max_steps_per_run=3))
    await post(core, 1, 2, 3)
    (refused,) = await post(core, 4)
    assert isinstance(refused, ServiceError)


async def test_steps_without_seq_go_on_at_the_end_meanwhile(core: Core) -> None:
    await post(core, 1)
    assert await core.post("a", step(100)) == [0]
    await post(core, 0)
    assert await stored(core) == [100, 0, 1]


async def test_early_steps_are_scored_in_their_order(core: Core) -> None:
    await post(core, 0, 1, 2, 3, 4, run_id="in-order")
    for number in (3, 0, 4, 2, 1):
        await post(core, number, run_id="mixed")
    async with core.working():
        await core.until_scored("in-order", 5)
        await core.until_scored("mixed", 5)
    assert await core.scores("mixed") == await core.scores("in-order")
