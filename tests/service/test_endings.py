"""What a run was and how it ended goes into the archive, each time that it is said, whoever dies in between."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from prometheus_client import CollectorRegistry

from service.archive.files import FileArchive, read_archive
from service.ports import EndingArchive
from service.records import Ending, RunDescription, RunRef, RunSummary
from service.redis_log.client import RedisClient
from service.redis_log.endings import RedisEndingLog
from service.redis_log.parking import RedisParking
from service.telemetry import WorkerMetrics
from service.worker.ending import EndingArchiver
from tests.service.conftest import Core
from tests.service.faults.client import Faults, FaultyRedis, Kind
from tests.service.test_step_log import step

EVERY = "9" * 13


class KeptEndings:
    """An EndingArchive in memory; fails a few times first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.kept: list[Ending] = []

    def write_endings(self, endings: Sequence[Ending]) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.kept += endings

    def latest(self) -> dict[str, Ending]:
        """The word on each run that holds."""
        return {one.ref.run_id: one for one in sorted(self.kept, key=lambda one: _order(one.entry_id))}


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def archiver(core: Core, archive: EndingArchive | None, client: RedisClient | None = None) -> EndingArchiver:
    log = RedisEndingLog(client or core.client, core.keys)
    return EndingArchiver(log, archive, lambda: range(core.keys.count), WorkerMetrics(CollectorRegistry()))


async def waiting(core: Core) -> int:
    return sum([await core.client.xlen(core.keys[partition].closed) for partition in range(core.keys.count)])


async def archive_all(core: Core) -> list[Ending]:
    archive = KeptEndings()
    await archiver(core, archive).round()
    assert not await waiting(core)
    return archive.kept


async def test_an_end_says_what_the_run_was(core: Core) -> None:
    await core.log.describe(core.ref("a"), RunDescription("clerk", "refund", {"team": "x"}), "m-fake")
    await core.post("a", step(0), step(1))
    await core.log.end(core.ref("a"))
    (ending,) = await archive_all(core)
    assert (ending.ref, ending.what, ending.steps) == (core.ref("a"), "end", 2)
    assert (ending.agent, ending.task, ending.tags, ending.monitor_id) == ("clerk", "refund", {"team": "x"}, "m-fake")
    assert (ending.success, ending.intervened, ending.expired) == (None, None, False)
    assert ending.ended_ms is not None
    assert ending.created_ms <= ending.ended_ms


async def test_a_corrected_outcome_is_said_again_and_the_last_word_holds(core: Core) -> None:
    await core.post("a", step(0))
    await core.log.set_outcome(core.ref("a"), success=True, intervened=None)
    await core.log.set_outcome(core.ref("a"), success=False, intervened=True)
    endings = await archive_all(core)
    assert [(one.what, one.success, one.intervened) for one in endings] == [
        ("outcome", True, None),
        ("outcome", False, True),
    ]
    assert _order(endings[0].entry_id) < _order(endings[1].entry_id)


async def test_a_run_that_expired_is_said_to_have(core: Core) -> None:
    await core.post("a", step(0))
    async with core.working() as leases:
        await core.until_scored("a", 1)
        for holding in list(leases.held.values()):
            await core.partitions.tidy(holding.lease, early_ms=0, idle_ms=int(EVERY))
    (ending,) = await archive_all(core)
    assert (ending.what, ending.expired, ending.ended_ms, ending.steps) == ("expired", True, None, 1)


async def test_a_description_that_comes_after_the_end_is_said_and_one_before_is_not(core: Core) -> None:
    await core.log.describe(core.ref("a"), RunDescription("clerk"), "m-1")
    assert not await waiting(core)
    await core.log.end(core.ref("a"))
    await core.log.describe(core.ref("a"), RunDescription(task="refund"), "m-1")
    assert [(one.what, one.agent, one.task) for one in await archive_all(core)] == [
        ("end", "clerk", ""),
        ("described", "clerk", "refund"),
    ]


async def test_a_parked_step_that_is_put_back_is_said_to_stand_at_both_positions(core: Core) -> None:
    await core.post("a", step(0), orjson.dumps({"explode": True}), step(2))
    async with core.working():
        await core.until_scored("a", 3)
    parking = RedisParking(core.client, core.keys)
    (parked,) = await parking.list_parked(10)
    await parking.release(await parking.find(parked.parked_id))
    (ending,) = await archive_all(core)
    assert (ending.what, ending.moved, ending.steps) == ("released", (1, 3), 4)


async def test_an_outcome_that_is_taken_back_is_said_to_be(core: Core) -> None:
    await core.post("a", step(0))
    await core.log.set_outcome(core.ref("a"), success=True, intervened=True)
    await core.log.delete_outcome(core.ref("a"))
    endings = await archive_all(core)
    assert [(one.success, one.intervened) for one in endings] == [(True, True), (None, None)]


async def test_a_control_run_is_said_to_be_one(core: Core) -> None:
    await core.post("a", step(0))
    summary = RunSummary(steps=1, max_score=0.5, control=True).to_bytes()
    await core.client.hset(core.keys.of_run(core.ref("a")).run(core.ref("a")), "summary", summary)
    await core.log.end(core.ref("a"))
    (ending,) = await archive_all(core)
    assert ending.control


async def test_a_control_run_that_ends_before_its_first_score_is_said_to_be_one(core: Core) -> None:
    for name in ("control", "other"):
        await core.post(name, step(0))
        await core.log.end(core.ref(name))
    await core.log.end(core.ref("other"))
    archive = KeptEndings()
    log = RedisEndingLog(core.client, core.keys)
    metrics = WorkerMetrics(CollectorRegistry())
    is_control = lambda ref: ref.run_id == "control"  # noqa: E731
    await EndingArchiver(log, archive, lambda: range(core.keys.count), metrics, is_control).round()
    assert {name: ending.control for name, ending in archive.latest().items()} == {"control": True, "other": False}


async def test_while_the_archive_fails_endings_stay_and_nothing_is_lost(core: Core) -> None:
    for name in "abc":
        await core.post(name, step(0))
        await core.log.end(core.ref(name))
    archive = KeptEndings(failures=1)
    with pytest.raises(OSError, match="No space"):
        await archiver(core, archive).round()
    assert await waiting(core) == 3
    await archiver(core, archive).round()
    assert sorted(archive.latest()) == ["a", "b", "c"]
    assert not await waiting(core)


async def test_with_no_archive_endings_do_not_fill_redis(core: Core) -> None:
    await core.post("a", step(0))
    await core.log.end(core.ref("a"))
    await archiver(core, None).round()
    assert not await waiting(core)


async def test_what_comes_while_the_archive_writes_is_not_dropped(core: Core) -> None:
    class SlowArchive(KeptEndings):
        def write_endings(self, endings: Sequence[Ending]) -> None:
            super().write_endings(endings)
            asyncio.run_coroutine_threadsafe(core.log.end(core.ref("a")), loop).result(5)

    loop = asyncio.get_running_loop()
    await core.post("a", step(0))
    await core.log.end(core.ref("a"))
    archive = SlowArchive()
    await archiver(core, archive).round()
    assert (len(archive.kept), await waiting(core)) == (1, 1)


@pytest.mark.parametrize("kind", ["dies", "answer is lost"])
async def test_an_archiver_that_fails_between_any_two_commands_loses_no_word(
    core: Core, kind: Kind, redis_kind: str
) -> None:
    if redis_kind == "cluster":
        pytest.skip("a cluster differs in its client alone, which has kills of its own")
    for after in itertools.count(0 if kind == "dies" else 1):
        await core.client.flushall()
        for name in "abcdef":
            await core.post(name, step(0))
            await core.log.set_outcome(core.ref(name), success=True, intervened=None)
            await core.log.set_outcome(core.ref(name), success=False, intervened=None)
        faults, archive = Faults(kind, after), KeptEndings()
        working = asyncio.create_task(archiver(core, archive, FaultyRedis(core.client, faults)).round())
        met = asyncio.create_task(faults.met.wait())
        await asyncio.wait({working, met}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        for task in (working, met):
            task.cancel()
        await asyncio.gather(working, met, return_exceptions=True)
        await archiver(core, archive).round()
        assert {name: one.success for name, one in archive.latest().items()} == dict.fromkeys("abcdef", False)
        assert not await waiting(core)
        if not faults.where:
            break
    # A read of each partition, and a drop of each that had any.
    assert after > core.keys.count


def ending(number: int, **values: Any) -> Ending:
    ref = RunRef("default", "a")
    return Ending(0, f"1700000000000-{number}", ref, "outcome", 5, 3, 9, success=True, **values)


def test_endings_lie_beside_the_steps_as_plain_lines(tmp_path: Path) -> None:
    with closing(FileArchive(tmp_path, "w1")) as archive:
        archive.write_endings([ending(1, task="refund", moved=(1, 3))])
    (segment,) = tmp_path.glob("*/runs/*.jsonl.zst")
    text = zstandard.ZstdDecompressor().stream_reader(segment.read_bytes(), read_across_frames=True).read()
    assert orjson.loads(text) == {
        "project": "default",
        "run_id": "a",
        "entry": "1700000000000-1",
        "what": "outcome",
        "created_ms": 5,
        "steps": 3,
        "ended_ms": 9,
        "expired": False,
        "success": True,
        "intervened": None,
        "control": False,
        "agent": "",
        "task": "refund",
        "tags": {},
        "monitor_id": "",
        "from": 1,
        "to": 3,
    }
    assert not list(read_archive(tmp_path))


async def test_a_drained_worker_leaves_no_ending_behind(core: Core) -> None:
    await core.post("a", step(0))
    await core.log.end(core.ref("a"))
    stop, archive = asyncio.Event(), KeptEndings()
    stop.set()
    await archiver(core, archive).run(stop)
    assert len(archive.kept) == 1
    assert not await waiting(core)
