"""Erasing a run from its partition, and what is kept of a deletion."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.records import NewStep, RunDescription, RunRef, StepGroup, WorkerReport
from service.redis_log import deleting
from service.redis_log.deleting import GONE_MS, RedisDeletionLog
from tests.service.conftest import Core
from tests.service.test_no_content import dump

NOW_MS = 1_800_000_000_000


def report(worker: str, seen_ms: int = NOW_MS) -> WorkerReport:
    return WorkerReport(worker, seen_ms, 1, (), (), "cpu")


async def test_a_run_is_erased_and_no_other_with_what_waits_to_be_scored(core: Core) -> None:
    deletions = RedisDeletionLog(core.client, core.keys)
    ref = core.ref("run-to-go")
    partition = core.keys.partition_of(ref)
    other = next(
        core.ref(f"stays-{n}") for n in range(99) if core.keys.partition_of(core.ref(f"stays-{n}")) == partition
    )
    for one in (ref, other):
        await core.log.describe(one, RunDescription("clerk", "a task", {}), "m-fake")
        steps = [NewStep(b'{"n": 1}', "id"), NewStep(b'{"n": 2}'), NewStep(b'{"n": 9}', "", 9)]
        await core.log.append([StepGroup(one, tuple(steps), "m-fake")])
    lease = await core.partitions.acquire(partition, "w1")
    assert lease is not None
    assert not await deletions.erase(replace(lease, fence=lease.fence - 1), ref, nothing), "another owner has it"
    assert (await core.reader.backlog())[partition] > 3
    assert await deletions.erase(lease, ref, nothing)
    assert b"run-to-go" not in await dump_of(core)
    assert await core.reader.read_run(ref) is None
    assert (await core.reader.backlog())[partition] == 2, "those of the other run"
    assert (await core.reader.read_run(other)) is not None
    assert await deletions.erase(lease, ref, nothing), "again does no harm"
    assert (await core.reader.backlog())[partition] == 2
    assert await core.post("run-to-go", b"{}") == [0], "it begins anew"


async def nothing() -> None:
    """Done before the last."""


async def test_a_run_is_erased_in_portions_while_steps_come_in(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleting, "PORTION", 3)
    deletions, ref = RedisDeletionLog(core.client, core.keys), core.ref("run-to-go")
    partition = core.keys.partition_of(ref)
    names = [f"stays-{n}" for n in range(99) if core.keys.partition_of(core.ref(f"stays-{n}")) == partition][:3]
    for _ in range(20):
        for name in ("run-to-go", *names):
            await core.post(name, b"{}")
    lease = await core.partitions.acquire(partition, "w1")
    assert lease is not None

    async def come_in() -> None:
        assert (await core.reader.backlog())[partition] == 60, "its entries are gone"
        assert await core.reader.read_run(ref) is not None, "and it is still known"
        await core.post("run-to-go", *[b"{}"] * 20)

    assert await deletions.erase(lease, ref, come_in)
    assert await core.reader.read_run(ref) is None
    assert (await core.reader.backlog())[partition] == 60
    left = await core.client.xrange(core.keys[partition].steps)
    assert {fields[b"r"] for _, fields in left} == {f"default:{name}".encode() for name in names}


async def dump_of(core: Core) -> bytes:
    """Everything in Redis; of a cluster, what the run's partition holds."""
    if hasattr(core.client, "get_primaries"):
        steps = [await core.client.xrange(core.keys[partition].steps) for partition in range(core.keys.count)]
        return repr(steps).encode()
    return await dump(core.client)


async def test_a_deletion_is_done_once_every_worker_that_is_up_has_done_its_part(core: Core) -> None:
    deletions = RedisDeletionLog(core.client, core.keys)
    ref = RunRef("default", "r1")
    asked = await deletions.ask(ref, NOW_MS)
    assert "r1" not in asked.to_json().decode()
    assert [found for _, found in await deletions.waiting(range(core.keys.count))] == [ref]
    assert await deletions.unclean("w1", NOW_MS) == [], "it is still in Redis"
    await core.partitions.report(report("w1"))
    await core.partitions.report(report("w2"))
    await deletions.erased(ref, NOW_MS + 1)
    assert await deletions.waiting(range(core.keys.count)) == []
    for worker in ("w1", "w2"):
        found = await deletions.find("default", asked.id, NOW_MS)
        assert found is not None
        assert not found.done_ms
        assert await deletions.unclean(worker, NOW_MS) == [asked]
        await deletions.clean(asked, worker, NOW_MS + 2)
        assert await deletions.unclean(worker, NOW_MS) == []
    found = await deletions.find("default", asked.id, NOW_MS)
    assert found is not None
    assert found.done_ms == NOW_MS + 2
    assert await deletions.find("another", asked.id, NOW_MS) is None
    assert await deletions.ask(ref, NOW_MS + 5) == replace(asked, asked_ms=NOW_MS + 5)
    again = await deletions.find("default", asked.id, NOW_MS)
    assert again is not None
    assert not again.done_ms, "asking again begins anew"


async def test_a_worker_that_is_gone_is_not_waited_for(core: Core) -> None:
    deletions = RedisDeletionLog(core.client, core.keys)
    asked = await deletions.ask(RunRef("default", "r1"), NOW_MS)
    await core.partitions.report(report("w1"))
    await core.partitions.report(report("w2", NOW_MS - GONE_MS))
    await deletions.erased(RunRef("default", "r1"), NOW_MS)
    await deletions.clean(asked, "w1", NOW_MS)
    found = await deletions.find("default", asked.id, NOW_MS)
    assert found is not None
    assert found.done_ms


async def test_a_deletion_is_not_done_while_an_owner_that_died_may_have_left_it_to_the_next(core: Core) -> None:
    deletions, ref = RedisDeletionLog(core.client, core.keys), RunRef("default", "r1")
    asked = await deletions.ask(ref, NOW_MS)
    await core.partitions.report(report("w1"))
    await deletions.erased(ref, NOW_MS)
    await deletions.clean(asked, "w1", NOW_MS)
    await core.client.hset(core.keys.of_run(ref).deleting, ref.name, asked.id)
    found = await deletions.find("default", asked.id, NOW_MS)
    assert found is not None
    assert not found.done_ms
    await deletions.erased(ref, NOW_MS)
    found = await deletions.find("default", asked.id, NOW_MS)
    assert found is not None
    assert found.done_ms
