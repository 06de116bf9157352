"""What the service refuses when there is too much of it, and when it says to come again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from service.errors import Crowded, Overloaded
from service.records import NewStep, RunDescription
from service.redis_log.ingest import AppendLimits, RedisStepLog
from service.redis_log.pressure import Pressure
from tests.service.conftest import Core
from tests.service.test_step_log import step

DAY_MS = 86_400_000


@dataclass
class Clock:
    now_s: float = 0.0
    pressure: Pressure | None = field(default=None, repr=False)

    def __call__(self) -> float:
        return self.now_s


async def test_a_refusal_says_when_to_come_again_from_the_measured_rate(core: Core) -> None:
    clock = Clock()
    pressure = Pressure(core.client, core.keys, clock)
    core.log = RedisStepLog(core.client, core.keys, AppendLimits(max_backlog=40), pressure)
    counts = core.keys.of_run(core.ref("a")).counts
    await core.post("a", *[step(n) for n in range(40)])
    await pressure.sample()
    clock.now_s = 2.0
    await core.client.hset(counts, mapping={"appended": 60, "scored": 20})
    await pressure.sample()
    assert pressure.rate == 10
    with pytest.raises(Overloaded) as refused:
        await core.post("a", step(40))
    # 20 steps of each of the 4 partitions at most, at 10 a second.
    assert refused.value.retry_after_s == 8


async def test_a_redis_that_fills_up_takes_no_steps_and_still_scores(core: Core) -> None:
    pressure = Pressure(core.client, core.keys)
    core.log = RedisStepLog(core.client, core.keys, pressure=pressure)
    await core.post("a", *[step(n) for n in range(20)])
    used = (await core.client.info("memory"))["used_memory"]
    try:
        await core.client.config_set("maxmemory", int(used / 0.75))
        await pressure.sample()
        await core.post("a", step(20))
        await core.client.config_set("maxmemory", int(used * 0.9))
        await pressure.sample()
        with pytest.raises(Overloaded, match="maxmemory"):
            await core.post("a", step(21))
        # Redis is over its limit now: what frees memory must not be refused.
        async with core.working():
            await core.until_scored("a", 21)
        assert len(await core.scores("a")) == 21
    finally:
        await core.client.config_set("maxmemory", 0)


async def test_one_more_live_run_than_may_be_is_refused_and_those_there_go_on(core: Core) -> None:
    core.log = RedisStepLog(core.client, core.keys, AppendLimits(max_live_runs=core.keys.count))
    partition = core.keys.partition_of(core.ref("a"))
    other = next(name for name in (f"r{n}" for n in range(100)) if core.keys.partition_of(core.ref(name)) == partition)
    await core.post("a", step(0))
    with pytest.raises(Crowded):
        await core.post(other, step(0))
    with pytest.raises(Crowded):
        await core.log.describe(core.ref(other), RunDescription(agent="bot"), "m-fake")
    assert await core.post("a", step(1)) == [1]
    await core.log.end(core.ref("a"))
    assert await core.post(other, step(0)) == [0]


async def test_a_run_without_steps_for_long_expires_and_another_step_brings_it_back(core: Core) -> None:
    await core.post("idle", step(0))
    await core.post("ended", step(0))
    await core.log.end(core.ref("ended"))

    async def tidy(idle_ms: int) -> int:
        leases = [await core.partitions.acquire(partition, "w") for partition in range(core.keys.count)]
        return sum([await core.partitions.tidy(one, early_ms=0, idle_ms=idle_ms) for one in leases if one is not None])

    record = await core.reader.read_run(core.ref("idle"))
    assert record is not None
    assert await tidy(record.updated_ms) == 0
    assert await tidy(record.updated_ms + DAY_MS) == 1
    expired, ended = await core.reader.read_run(core.ref("idle")), await core.reader.read_run(core.ref("ended"))
    assert expired is not None
    assert ended is not None
    assert (expired.expired, ended.expired) == (True, False)
    assert [one.position for one in await core.append("idle", [NewStep(step(1))])] == [1]
    back = await core.reader.read_run(core.ref("idle"))
    assert back is not None
    assert not back.expired
    assert await core.client.zcard(core.keys.of_run(core.ref("idle")).live) == 1


async def test_writes_wait_while_more_comes_than_is_scored(core: Core) -> None:
    pressure = Pressure(core.client, core.keys)
    assert pressure.pause_s() == 0
    pressure.rate = 1000
    pressure.see(0, 4096)
    assert pressure.pause_s() == 0
    pressure.see(1, 100)
    assert pressure.pause_s() == pytest.approx(0.1)
    pressure.see(1, 10**6)
    assert pressure.pause_s() == pytest.approx(0.2)


async def test_the_log_tells_how_much_waits(core: Core) -> None:
    pressure = Pressure(core.client, core.keys)
    core.log = RedisStepLog(core.client, core.keys, pressure=pressure)
    await core.post("a", *[step(n) for n in range(7)])
    assert sum(pressure.backlog) == 7
