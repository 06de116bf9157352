"""The way in: what is answered is stored, in order, once."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from service.errors import IdReused, LogUnavailable, NotFound, Overloaded, RunClosed, RunFull
from service.records import Appended, NewStep, RunDescription, RunRef, StepGroup
from service.redis_log.ingest import AppendLimits, RedisStepLog
from service.redis_log.keys import partition_of
from tests.service.conftest import Core


def step(number: int) -> bytes:
    return orjson.dumps({"n": number})


async def in_stream(core: Core, run_id: str) -> list[bytes]:
    rows = await core.client.xrange(core.keys.of_run(core.ref(run_id)).steps)
    return [fields[b"d"] for _, fields in rows if fields[b"r"] == core.ref(run_id).name.encode()]


async def test_positions_count_up_from_zero_in_each_run(core: Core) -> None:
    assert await core.post("a", step(0), step(1)) == [0, 1]
    assert await core.post("b", step(0)) == [0]
    assert await core.post("a", step(2)) == [2]
    assert await in_stream(core, "a") == [step(0), step(1), step(2)]


async def test_requests_in_flight_share_writes_and_each_gets_its_own_answer(core: Core) -> None:
    await core.client.ask_masters("CONFIG RESETSTAT")
    answers = await asyncio.gather(*(core.post(f"run-{index % 40}", step(index)) for index in range(400)))
    assert sorted(position for (position,) in answers) == sorted(list(range(10)) * 40)
    assert sum([await core.client.xlen(core.keys[p].steps) for p in range(core.keys.count)]) == 400
    stats = await core.client.ask_masters("INFO", "commandstats")
    assert 0 < sum(one.get("cmdstat_evalsha", {"calls": 0})["calls"] for one in stats) < 100


async def test_a_known_client_id_is_answered_with_the_position_it_has(core: Core) -> None:
    await core.post("a", step(0), step(1), ids=["x", "y"])
    answers = await core.append("a", [NewStep(step(1), "y"), NewStep(step(2), "z")])
    assert [(one.position, one.duplicate) for one in answers] == [(1, True), (2, False)]
    assert await in_stream(core, "a") == [step(0), step(1), step(2)]


async def test_an_id_given_to_another_step_is_refused_and_the_rest_of_the_request_is_stored(core: Core) -> None:
    await core.post("a", step(0), ids=["x"])
    group = StepGroup(core.ref("a"), (NewStep(step(9), "x"), NewStep(step(1), "y")), "m-fake")
    ((refused, stored),) = await core.log.append([group])
    assert isinstance(refused, IdReused)
    assert stored == Appended(1)


async def test_an_id_repeated_inside_one_request_is_stored_once(core: Core) -> None:
    assert await core.post("a", step(0), step(0), step(1), ids=["x", "x", "y"]) == [0, 0, 1]
    assert len(await in_stream(core, "a")) == 2


async def test_the_same_id_in_another_run_is_another_step(core: Core) -> None:
    await core.post("a", step(0), ids=["x"])
    (answer,) = await core.append("b", [NewStep(step(0), "x")])
    assert not answer.duplicate


async def test_ids_are_remembered_for_the_last_1024_steps(core: Core) -> None:
    await core.post("a", *[step(n) for n in range(1025)], ids=[f"id-{n}" for n in range(1025)])
    answers = await core.append("a", [NewStep(step(1), "id-1"), NewStep(step(0), "id-0")])
    assert [(one.position, one.duplicate) for one in answers] == [(1, True), (1025, False)]


@pytest.mark.parametrize("how", ["end", "outcome"])
async def test_a_closed_run_takes_no_more_steps_and_stores_none_of_the_request(core: Core, how: str) -> None:
    await core.post("a", step(0), ids=["x"])
    await (
        core.log.end(core.ref("a"))
        if how == "end"
        else core.log.set_outcome(core.ref("a"), success=True, intervened=None)
    )
    with pytest.raises(RunClosed):
        await core.post("a", step(0), step(1), ids=["x", "y"])
    assert len(await in_stream(core, "a")) == 1


async def test_a_repeat_of_a_stored_step_is_a_duplicate_even_after_the_end(core: Core) -> None:
    await core.post("a", step(0), ids=["x"])
    await core.log.end(core.ref("a"))
    (answer,) = await core.append("a", [NewStep(step(0), "x")])
    assert answer.duplicate


async def test_an_outcome_may_follow_the_end_and_be_corrected(core: Core) -> None:
    await core.post("a", step(0))
    await core.log.end(core.ref("a"))
    await core.log.set_outcome(core.ref("a"), success=True, intervened=True)
    await core.log.set_outcome(core.ref("a"), success=False, intervened=None)
    record = await core.reader.read_run(core.ref("a"))
    assert record is not None
    assert (record.success, record.intervened) == (False, None)


async def test_a_run_that_never_began_cannot_end(core: Core) -> None:
    with pytest.raises(NotFound):
        await core.log.end(core.ref("nowhere"))


async def test_a_run_holds_no_more_steps_than_it_may(core: Core) -> None:
    core.log = RedisStepLog(core.client, core.keys, AppendLimits(max_steps_per_run=3))
    await core.append("a", [NewStep(step(0)), NewStep(step(1))])
    with pytest.raises(RunFull):
        await core.append("a", [NewStep(step(2)), NewStep(step(3))])
    assert len(await in_stream(core, "a")) == 2


async def test_a_full_backlog_refuses_steps_and_stores_none(core: Core) -> None:
    core.log = RedisStepLog(core.client, core.keys, AppendLimits(max_backlog=2))
    await core.append("a", [NewStep(step(0)), NewStep(step(1))])
    with pytest.raises(Overloaded):
        await core.append("a", [NewStep(step(2))])
    assert len(await in_stream(core, "a")) == 2


async def test_a_full_redis_refuses_steps_as_overload(core: Core) -> None:
    await core.post("a", step(0))
    await core.client.ask_masters("CONFIG SET", "maxmemory", "1mb")
    try:
        with pytest.raises(Overloaded):
            await core.post("a", step(1))
    finally:
        await core.client.ask_masters("CONFIG SET", "maxmemory", "0")
    assert len(await in_stream(core, "a")) == 1


async def test_a_redis_that_forgot_the_scripts_is_given_them_again(core: Core) -> None:
    await core.post("a", step(0))
    await core.client.script_flush()
    assert await asyncio.gather(core.post("a", step(1)), core.post("b", step(0)), core.post("c", step(0)))
    assert len(await in_stream(core, "a")) == 2


async def test_a_step_that_too_few_replicas_have_is_not_acknowledged_though_it_is_stored(core: Core) -> None:
    core.client.wait_replicas = 1
    with pytest.raises(LogUnavailable, match="stored, but on 0 of 1 replicas"):
        await core.post("a", step(0), ids=["x"])
    with pytest.raises(LogUnavailable):
        await core.post("a", step(0), ids=["x"])
    assert await in_stream(core, "a") == [step(0)]


async def test_what_is_said_of_a_run_stays_until_it_is_said_anew(core: Core) -> None:
    assert await core.log.describe(core.ref("a"), RunDescription("bot", "book", {"x": "1"}), "m-fake")
    assert not await core.log.describe(core.ref("a"), RunDescription(agent="bot2"), "m-fake")
    assert await core.post("a", step(0)) == [0]
    record = await core.reader.read_run(core.ref("a"))
    assert record is not None
    assert (record.agent, record.task, record.tags, record.accepted) == ("bot2", "book", {"x": "1"}, 1)


def test_a_run_is_in_the_same_partition_for_ever() -> None:
    # Written down once: another answer after an upgrade would tear runs apart.
    assert [partition_of(RunRef("default", name), 8) for name in ("a", "run-1", "x" * 200)] == [5, 0, 2]
    assert partition_of(RunRef("other", "a"), 64) == 32
