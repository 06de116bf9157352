"""A worker's part in deleting a run: whatever it does besides, and wherever it dies, nothing of the run is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import zstandard
from prometheus_client import CollectorRegistry

from service.archive.files import FileArchive
from service.records import Ending, RunDescription, RunRef
from service.redis_log.client import RedisClient
from service.redis_log.deleting import RedisDeletionLog
from service.redis_log.endings import RedisEndingLog
from service.telemetry import WorkerMetrics
from service.worker.deleting import Deleter, now_ms
from service.worker.ending import EndingArchiver
from service.worker.holding import Holding
from tests.service.conftest import Core

NAME = "run-to-go"


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

    async def no_alerts(ref: RunRef) -> list[str]:
        return []

    async def no_deliveries(partition: int, ref: RunRef, alerts: list[str]) -> None:
        pass

    log = RedisDeletionLog(client, core.keys)
    return Deleter(log, "w1", lambda: held, aside, archive, locks, no_alerts, no_deliveries)


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
