"""The worker over a real Redis: each step once, in order, whatever happens to the worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from service.errors import LogUnavailable
from service.records import Cutoffs, Lease, PartitionCommit, WorkerReport
from service.redis_log.partitions import RedisPartitionLog
from tests.service.conftest import Core
from tests.service.fakes import FakeMonitor, offline_scores


def raw(number: int, **fields: Any) -> dict[str, Any]:
    return {"n": number, **fields}


def data(*raw_steps: dict[str, Any]) -> list[bytes]:
    return [orjson.dumps(step) for step in raw_steps]


class Proxy:
    """A partition log whose calls a test may disturb."""

    def __init__(self, plain: RedisPartitionLog) -> None:
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


async def test_scores_are_those_of_the_monitor_step_by_step(core: Core) -> None:
    runs = {f"run-{r}": [raw(n, run=r) for n in range(20)] for r in range(15)}
    async with core.working():
        for n in range(0, 20, 4):
            await asyncio.gather(*(core.post(run_id, *data(*steps[n : n + 4])) for run_id, steps in runs.items()))
        for run_id, steps in runs.items():
            await core.until_scored(run_id, 20)
            assert await core.scores(run_id) == offline_scores(steps)


async def test_steps_of_many_runs_go_through_the_monitor_together(core: Core) -> None:
    monitor = FakeMonitor()
    await asyncio.gather(*(core.post(f"run-{r}", *data(raw(0), raw(1))) for r in range(50)))
    async with core.working(monitor=monitor):
        for r in range(50):
            await core.until_scored(f"run-{r}", 2)
    assert sum(monitor.batches) == 100
    assert len(monitor.batches) <= 8


async def test_what_is_scored_leaves_the_stream(core: Core) -> None:
    await core.post("a", *data(*(raw(n) for n in range(500))))
    async with core.working():
        await core.until_scored("a", 500)
    assert await core.reader.backlog() == [0] * core.keys.count


async def test_the_summary_is_that_of_the_scores(core: Core) -> None:
    steps = [raw(0), raw(1, bad=1.5), raw(2, bad=-1.0, odd=True)]
    async with core.working():
        await core.post("a", *data(*steps))
        await core.until_scored("a", 3)
    record = await core.reader.read_run(core.ref("a"))
    assert record is not None
    scores = offline_scores(steps)
    summary = record.summary
    assert (summary.steps, summary.turn, summary.unknown, summary.alerts) == (3, 3, 1, 0)
    assert (summary.score, summary.max_score) == (scores[-1], max(scores))


async def test_an_alert_is_in_the_outbox_and_with_the_run_once(core: Core) -> None:
    await core.log.describe(core.ref("a"), replace_description(), "m-fake")
    async with core.working():
        await core.post("a", *data(raw(0), raw(1, bad=3), raw(2)))
        await core.until_scored("a", 3)
    outbox = await core.client.xrange(core.keys.of_run(core.ref("a")).outbox)
    (alert,) = [orjson.loads(fields[b"alert"]) for _, fields in outbox]
    assert (alert["run_id"], alert["episode"], alert["position"], alert["turn"]) == ("a", 1, 1, 2)
    assert (alert["agent"], alert["type"], alert["threshold"]) == ("bot", "run.alert", 2.0)
    now = {"state": "warning", "acknowledgement": None}
    assert await core.reader.read_run_alerts(core.ref("a")) == [{**alert, **now}]


def replace_description() -> Any:
    from service.records import RunDescription

    return RunDescription("bot", "task", {})


async def test_a_second_episode_has_an_id_of_its_own(core: Core) -> None:
    async with core.working():
        await core.post("a", *data(raw(0, bad=3), raw(1, bad=-3), raw(2, bad=3)))
        await core.until_scored("a", 3)
    alerts = await core.reader.read_run_alerts(core.ref("a"))
    assert [alert["episode"] for alert in alerts] == [1, 2]
    assert len({alert["id"] for alert in alerts}) == 2


async def test_a_worker_that_vanishes_is_replaced_and_scores_come_out_the_same(core: Core) -> None:
    steps = [raw(n, bad=0.1) for n in range(60)]
    await core.post("a", *data(*steps[:30]))
    async with core.working("w1", crash=True):
        await core.until_scored("a", 10)
        await core.post("a", *data(*steps[30:]))
    async with core.working("w2"):
        await core.until_scored("a", 60)
    assert await core.scores("a") == offline_scores(steps)
    assert len(await core.reader.read_run_alerts(core.ref("a"))) == 1


async def test_another_worker_has_the_partitions_soon_after_a_crash(core: Core) -> None:
    async with core.working("w1", crash=True):
        await core.post("a", *data(raw(0)))
        await core.until_scored("a", 1)
    await core.post("a", *data(raw(1)))
    began = time.monotonic()
    async with core.working("w2"):
        await core.until_scored("a", 2)
    assert time.monotonic() - began < 10


async def test_a_worker_started_again_under_its_name_waits_for_no_lease(core: Core) -> None:
    async with core.working("w1", lease_ms=30_000, crash=True):
        await core.post("a", *data(raw(0)))
        await core.until_scored("a", 1)
    await core.post("a", *data(raw(1)))
    async with core.working("w1", lease_ms=30_000):
        await core.until_scored("a", 2, within_s=3)


async def test_two_workers_share_the_partitions_evenly(core: Core) -> None:
    async with core.working("w1", lease_ms=400) as first, core.working("w2", lease_ms=400) as second:
        async with asyncio.timeout(10):
            while not (len(first.held) == len(second.held) == 2):  # noqa: ASYNC110 - two other loops change it
                await asyncio.sleep(0.02)
        assert not first.held.keys() & second.held.keys()
        steps = [raw(n) for n in range(50)]
        await asyncio.gather(*(core.post(f"run-{r}", *data(*steps)) for r in range(10)))
        for r in range(10):
            await core.until_scored(f"run-{r}", 50)
            assert await core.scores(f"run-{r}") == offline_scores(steps)


async def test_a_stale_owner_writes_nothing(core: Core) -> None:
    await core.post("a", *data(raw(0)))
    partition = core.keys.partition_of(core.ref("a"))
    old = await core.partitions.acquire(partition, "w1")
    assert old is not None
    await core.client.delete(core.keys[partition].lease)
    assert await core.partitions.acquire(partition, "w2") is not None
    before = await everything(core)
    commit = PartitionCommit(partition, old.fence, "9-0", ())
    assert await core.partitions.commit([commit]) == [False]
    assert await core.partitions.renew([old], "w1") == [False]
    assert not await core.partitions.suspect(old, "9-0")
    await core.partitions.release([old], "w1")
    assert await everything(core) == before


async def everything(core: Core) -> dict[bytes, bytes]:
    return {key: await core.client.dump(key) for key in await core.client.keys()}


async def test_a_worker_that_lost_its_lease_unaware_does_not_disturb_the_new_owner(core: Core) -> None:
    steps = [raw(n) for n in range(40)]
    held = asyncio.Event()

    class Paused(Proxy):
        async def commit(self, commits: Sequence[PartitionCommit]) -> list[bool]:
            # As a process stopped in the middle of its work and continued much later.
            await held.wait()
            return await self._plain.commit(commits)

        async def renew(self, leases: Sequence[Lease], owner: str) -> list[bool]:
            return [True] * len(leases)

        async def report(self, report: WorkerReport) -> list[WorkerReport]:
            return [report]

    async with core.working("w1", log=Paused, lease_ms=500) as first:
        await core.post("a", *data(*steps[:20]))
        async with core.working("w2", lease_ms=500):
            await core.until_scored("a", 20)
            held.set()
            await core.post("a", *data(*steps[20:]))
            await core.until_scored("a", 40)
            await asyncio.sleep(0.2)
        assert await core.scores("a") == offline_scores(steps)
        assert first is not None


async def test_a_commit_whose_answer_is_lost_is_not_done_twice(core: Core) -> None:
    failures = iter([True, False, True])

    class Lossy(Proxy):
        async def commit(self, commits: Sequence[PartitionCommit]) -> list[bool]:
            written = await self._plain.commit(commits)
            if next(failures, False):
                raise LogUnavailable("the answer was lost")
            return written

    steps = [raw(n, bad=0.2) for n in range(30)]
    async with core.working(log=Lossy):
        for step in steps:
            await core.post("a", *data(step))
        await core.until_scored("a", 30)
    assert await core.scores("a") == offline_scores(steps)
    assert len(await core.client.xrange(core.keys.of_run(core.ref("a")).outbox)) == 1


async def test_a_step_that_breaks_the_monitor_is_parked_with_its_reason(core: Core) -> None:
    good = [raw(0), raw(2)]
    async with core.working():
        await core.post("a", *data(raw(0), raw(1, explode=True), raw(2)))
        await core.post("b", *data(raw(0), raw(2)))
        await core.until_scored("a", 3)
        await core.until_scored("b", 2)
    ((_, parked),) = await core.client.xrange(core.keys.of_run(core.ref("a")).parked)
    assert (parked[b"p"], parked[b"why"]) == (b"1", b"ValueError: this step explodes")
    assert parked[b"d"] == orjson.dumps(raw(1, explode=True))
    scores = await core.reader.read_scores(core.ref("a"), 0, 3)
    assert [score and score.parked for score in scores] == [False, True, False]
    assert [score.score for score in scores if score and not score.parked] == offline_scores(good)
    assert await core.scores("b") == offline_scores(good)


async def test_a_step_that_kills_its_owners_is_found_and_parked(core: Core) -> None:
    """The owners' deaths are told to Redis as a real death leaves it: acquired, suspected, never committed."""
    await core.post("a", *data(raw(0), raw(1, die=True), raw(2)))
    partition = core.keys.partition_of(core.ref("a"))
    rows = await core.client.xrange(core.keys[partition].steps)
    async with core.working("w1"):
        pass
    # One step is committed, and then three owners die at the second.
    cursor = {"id": rows[0][0].decode(), "attempts": 5, "suspect": rows[1][0].decode(), "suspicion": 3}
    await core.client.hset(core.keys[partition].cursor, mapping=cursor)
    async with core.working("w2"):
        await core.until_scored("a", 3)
    ((_, parked),) = await core.client.xrange(core.keys[partition].parked)
    assert parked[b"p"] == b"1"
    assert b"3 workers in a row died" in parked[b"why"]


async def test_a_partition_whose_owners_died_goes_on_entry_by_entry(core: Core) -> None:
    await core.post("a", *data(*(raw(n) for n in range(5))))
    partition = core.keys.partition_of(core.ref("a"))
    await core.client.hset(core.keys[partition].cursor, "attempts", 7)
    monitor = FakeMonitor()
    async with core.working(monitor=monitor):
        await core.until_scored("a", 5)
        await core.post("a", *data(raw(5)))
        await core.until_scored("a", 6)
    assert monitor.batches == [1] * 6
    assert await core.scores("a") == offline_scores([raw(n) for n in range(6)])


async def test_a_run_stays_with_the_monitor_it_began_with(core: Core) -> None:
    await core.register("m-old")
    from service.records import NewStep

    await core.append("a", [NewStep(one) for one in data(raw(0, bad=3))], "m-old")
    async with core.working():
        await core.until_scored("a", 1)
    record = await core.reader.read_run(core.ref("a"))
    (alert,) = await core.reader.read_run_alerts(core.ref("a"))
    assert record is not None
    assert (record.monitor_id, alert["monitor_id"]) == ("m-old", "m-old")


async def test_steps_of_a_run_whose_monitor_is_gone_are_parked_saying_so(core: Core) -> None:
    from service.records import NewStep

    await core.append("a", [NewStep(one) for one in data(raw(0))], "m-unheard-of")
    await core.post("b", *data(raw(0)))
    async with core.working():
        await core.until_scored("a", 1)
        await core.until_scored("b", 1)
    ((_, parked),) = await core.client.xrange(core.keys.of_run(core.ref("a")).parked)
    assert b"m-unheard-of was never registered" in parked[b"why"]


async def test_a_state_that_cannot_be_read_parks_its_run_alone(core: Core) -> None:
    async with core.working():
        await core.post("a", *data(raw(0)))
        await core.until_scored("a", 1)
    await core.client.hset(core.keys.of_run(core.ref("a")).run(core.ref("a")), "state", b"\xff\xff")
    async with core.working():
        await core.post("a", *data(raw(1)))
        await core.post("b", *data(raw(0)))
        await core.until_scored("a", 2)
        await core.until_scored("b", 1)
    record = await core.reader.read_run(core.ref("a"))
    assert record is not None
    assert record.summary.parked == 1


async def test_runs_idle_beyond_the_retention_are_deleted_whole(core: Core) -> None:
    async with core.working():
        await core.post("a", *data(raw(0, bad=3)), ids=["x"])
        await core.until_scored("a", 1)
    await core.post("b", *data(raw(0)))
    for run_id in ("a", "b"):
        lease = await core.partitions.acquire(core.keys.partition_of(core.ref(run_id)), "w1")
        assert lease is not None
        await core.partitions.sweep(lease, Cutoffs.same(time.time_ns() // 1_000_000 + 1000))
    assert await core.reader.read_run(core.ref("a")) is None
    assert [key for key in await core.client.keys() if key.endswith(b":default:a")] == []
    assert await core.client.zcard(core.keys.of_run(core.ref("a")).alerts) == 0
    # A run with steps that wait to be scored is never deleted.
    assert await core.reader.read_run(core.ref("b")) is not None


async def test_a_drained_worker_leaves_no_lease_and_nothing_half_done(core: Core) -> None:
    async with core.working():
        await core.post("a", *data(*(raw(n) for n in range(200))))
    keys = core.keys.of_run(core.ref("a"))
    record = await core.reader.read_run(core.ref("a"))
    assert record is not None
    assert await core.client.exists(keys.lease) == 0
    assert await core.client.xlen(keys.steps) == 200 - record.summary.steps
    assert len(await core.scores("a")) == record.summary.steps


@pytest.mark.parametrize("cut", [1, 7, 33])
async def test_how_steps_are_split_into_requests_changes_no_score(core: Core, cut: int) -> None:
    steps = [raw(n, bad=0.05) for n in range(100)]
    async with core.working():
        for first in range(0, 100, cut):
            await core.post("a", *data(*steps[first : first + cut]))
        await core.until_scored("a", 100)
    assert await core.scores("a") == offline_scores(steps)
