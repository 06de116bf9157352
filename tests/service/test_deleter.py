"""A worker's part in deleting a run: whatever it does besides, and wherever it dies, nothing of the run is left."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from prometheus_client import CollectorRegistry

from service.alerts.keys import delivery_key, webhook_deliveries_key, webhooks_key
from service.alerts.records import delivery_id
from service.alerts.store import DeliveryStore
from service.archive.files import FileArchive
from service.core.alerting import alert_id
from service.records import Ending, Entry, NewStep, RunDescription, RunRef
from service.redis_log import deleting as log_of_deletions
from service.redis_log.client import RedisClient
from service.redis_log.deleting import RedisDeletionLog
from service.redis_log.endings import RedisEndingLog
from service.redis_log.keys import partition_of
from service.redis_log.runs import RedisRunReader
from service.telemetry import WorkerMetrics
from service.worker.deleting import Deleter, now_ms
from service.worker.ending import EndingArchiver
from service.worker.holding import Holding
from tests.service.conftest import PARTITIONS, Core
from tests.service.faults.client import Faults, FaultyRedis, Kind
from tests.service.test_no_content import dump

NAME = "run-to-go"
# In the same partition.
OTHER = next(
    f"bystander-{n}"
    for n in itertools.count()
    if partition_of(RunRef("default", f"bystander-{n}"), PARTITIONS)
    == partition_of(RunRef("default", NAME), PARTITIONS)
)


class HeldUpArchive(FileArchive):
    """An archive that is slow to write endings: it goes on when it is let."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "w1")
        self.writing, self.go_on = threading.Event(), threading.Event()

    def write_endings(self, endings: Sequence[Ending]) -> None:
        self.writing.set()
        assert self.go_on.wait(20)
        super().write_endings(endings)


def archived(folder: Path) -> bytes:
    """All that is in the archive."""
    read = zstandard.ZstdDecompressor()
    segments = sorted(folder.rglob("*.jsonl.zst"))
    return b"".join(read.stream_reader(one.read_bytes(), read_across_frames=True).read() for one in segments)


async def hold_all(core: Core) -> dict[int, Holding]:
    """Every partition, taken by one owner."""
    leases = [await core.partitions.acquire(partition, "w1") for partition in range(core.keys.count)]
    return {lease.partition: Holding(lease, 10) for lease in leases if lease is not None}


def build_deleter(
    client: RedisClient, core: Core, held: dict[int, Holding], archive: FileArchive, *locks: asyncio.Lock
) -> Deleter:
    """The deleter of a worker that scores nothing."""

    async def aside(partition: int, work: Callable[[Holding], Awaitable[bool]]) -> bool:
        return await work(held[partition])

    async def find_alerts(ref: RunRef) -> list[str]:
        return [str(alert["id"]) for alert in await RedisRunReader(client, core.keys).read_run_alerts(ref)]

    async def forget(partition: int, ref: RunRef, alerts: list[str]) -> None:
        await DeliveryStore(client).forget(partition, ref.project, alerts)

    log = RedisDeletionLog(client, core.keys)
    return Deleter(log, "w1", lambda: held, aside, archive, locks, find_alerts, forget)


async def plant(core: Core, name: str) -> str:
    """A run with steps, an outcome, an alert that is on its way out, and a delivery of another; what its deliveries and
    alerts are known by."""
    ref, keys = core.ref(name), core.keys.of_run(core.ref(name))
    await core.log.describe(ref, RunDescription("clerk", f"do {name}", {"x": name}), "m-fake")
    early = NewStep(b'{"early": true}', "", 90)
    await core.append(name, [*(NewStep(b'{"of": "%s"}' % name.encode(), str(n)) for n in range(5)), early])
    partition, alert = core.keys.partition_of(ref), alert_id(ref, 1, "m-fake")
    body = orjson.dumps({"id": alert, "project": "default", "run_id": name, "episode": 1})
    await core.client.hset(keys.run_alerts(ref), mapping={"1": body, "ack:1": "{}"})
    await core.client.zadd(keys.alerts, {f"{ref.name}#1": 1})
    await core.client.xadd(keys.outbox, {"alert": body})
    await core.client.xadd(keys.parked, {"r": ref.name, "p": 1, "t": 1, "i": "", "why": "", "d": body})
    await core.client.hset(webhooks_key("default"), "wh_1", "{}")
    delivery = delivery_id(partition, alert, "wh_1")
    await core.client.hset(delivery_key(partition, delivery), mapping={"id": delivery, "body": body})
    await core.client.zadd(webhook_deliveries_key(partition, "wh_1"), {delivery: 1})
    await core.log.set_outcome(ref, success=False, intervened=None)
    return alert


async def kept_of(core: Core, name: str) -> list[Any]:
    """All that Redis has of a run that `plant` made."""
    ref, keys, client = core.ref(name), core.keys.of_run(core.ref(name)), core.client
    partition = core.keys.partition_of(ref)
    delivery = delivery_id(partition, alert_id(ref, 1, "m-fake"), "wh_1")
    streams = [await client.xrange(key) for key in (keys.steps, keys.parked, keys.outbox, keys.closed)]
    return [
        [row for stream in streams for row in stream if name.encode() in repr(row).encode()],
        await client.hgetall(keys.run(ref)),
        await client.hgetall(keys.run_early(ref)),
        await client.hgetall(keys.run_alerts(ref)),
        await client.zrange(keys.ids(ref), 0, -1),
        [await client.zscore(index, ref.name) for index in (keys.runs, keys.ended, keys.labelled)],
        await client.zscore(keys.alerts, f"{ref.name}#1"),
        await client.hgetall(delivery_key(partition, delivery)),
        await client.zscore(webhook_deliveries_key(partition, "wh_1"), delivery),
    ]


def entry_of(core: Core, name: str) -> Entry:
    """A step of a run, as it was archived."""
    return Entry(core.keys.partition_of(core.ref(name)), "1-1", core.ref(name), 0, b'{"n": 1}', 1, "")


@pytest.mark.parametrize("kind", ["dies", "answer is lost"])
async def test_a_deletion_that_fails_between_any_two_commands_is_gone_on_with(
    core: Core, kind: Kind, redis_kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if redis_kind == "cluster":
        pytest.skip("a cluster differs in its client alone, which has kills of its own")
    monkeypatch.setattr(log_of_deletions, "PORTION", 3)
    for after in itertools.count(0 if kind == "dies" else 1):
        await core.client.flushall()
        folder = tmp_path / str(after)
        for name in (NAME, OTHER):
            await plant(core, name)
        with closing(FileArchive(folder, "w0")) as before:
            before.write([entry_of(core, name) for name in (NAME, OTHER)])
        unharmed = await kept_of(core, OTHER)
        deletions, held = RedisDeletionLog(core.client, core.keys), await hold_all(core)
        await deletions.ask(core.ref(NAME), now_ms())
        faults = Faults(kind, after)
        with closing(FileArchive(folder, "w1")) as archive:
            deleter = build_deleter(FaultyRedis(core.client, faults), core, held, archive)
            deleting, met = asyncio.create_task(deleter.round()), asyncio.create_task(faults.met.wait())
            await asyncio.wait({deleting, met} if kind == "dies" else {deleting}, return_when=asyncio.FIRST_COMPLETED)
            for task in (deleting, met):
                task.cancel()
            await asyncio.gather(deleting, met, return_exceptions=True)
            await build_deleter(core.client, core, await hold_all(core), archive).round()
        where = f"fault {after}: {faults.where}"
        assert await deletions.waiting(range(core.keys.count)) == [], where
        assert await deletions.unclean("w1", now_ms()) == [], where
        left = await dump(core.client)
        assert NAME.encode() not in left, where
        assert alert_id(core.ref(NAME), 1, "m-fake").encode() not in left, where
        assert await kept_of(core, OTHER) == unharmed, where
        assert NAME.encode() not in archived(folder), where
        assert archived(folder).count(OTHER.encode()) == 1, where
        if not faults.where:
            break
    # A look at each partition, several portions, deliveries, and the marks.
    assert after > core.keys.count + 6


async def test_what_was_on_its_way_into_the_archive_when_its_run_was_erased_is_taken_out_again(
    core: Core, tmp_path: Path
) -> None:
    held, archive = await hold_all(core), HeldUpArchive(tmp_path)
    for name in (NAME, "bystander"):
        await core.log.describe(core.ref(name), RunDescription("clerk", "refund", {}), "m-fake")
        await core.log.end(core.ref(name))
    log = RedisEndingLog(core.client, core.keys)
    endings = EndingArchiver(log, archive, held.keys, WorkerMetrics(CollectorRegistry()))
    stop = asyncio.Event()
    with closing(archive):
        writing = asyncio.create_task(endings.run(stop))
        assert await asyncio.to_thread(archive.writing.wait, 20)
        deletions = RedisDeletionLog(core.client, core.keys)
        asked = await deletions.ask(core.ref(NAME), now_ms())
        deleting = asyncio.create_task(build_deleter(core.client, core, held, archive, endings.writing).round())
        async with asyncio.timeout(20):
            while not await deletions.unclean("w1", now_ms()):  # noqa: ASYNC110 - Redis has no event for this
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert await deletions.unclean("w1", now_ms()) == [asked], "it is in no hurry to say that it is clean"
        archive.go_on.set()
        await deleting
        stop.set()
        await writing
    assert await deletions.unclean("w1", now_ms()) == []
    assert NAME.encode() not in archived(tmp_path)
    assert archived(tmp_path).count(b"bystander") == 1


async def test_what_began_anew_since_does_not_hide_the_run_before_it(core: Core) -> None:
    deletions = RedisDeletionLog(core.client, core.keys)
    await core.log.describe(core.ref(NAME), RunDescription(), "m-fake")
    first = await deletions.ask(core.ref(NAME), now_ms())
    run = core.keys.of_run(core.ref(NAME)).run(core.ref(NAME))
    await core.client.hset(run, "created_ms", now_ms() + 5 * 86_400_000)
    assert (await deletions.ask(core.ref(NAME), now_ms())).since_ms == first.since_ms > 0
