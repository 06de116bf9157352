"""Redis is killed between any two lines of a commit: its file ends there, and what it holds then is whole.

The append-only file of the work with no fault is cut at every command that the worker caused, as a kill may cut it;
then Redis and a worker start on what is left.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.redis_log.connection import build_client
from service.redis_log.embedded import EmbeddedRedis, find_server
from tests.service.conftest import Core, build_core
from tests.service.faults.scenario import RUNS, KeptArchive, outcome, post_all, until_all_done, work_without_fault

pytestmark = pytest.mark.slow

# A cluster differs in its client alone, which has kills of its own.
KINDS = ("embedded",)


@pytest.mark.timeout(300)
async def test_a_file_that_ends_between_any_two_commands_of_a_commit_holds_all_of_it_or_nothing(
    core: Core, tmp_path: Path
) -> None:
    faultless = await work_without_fault(core)
    whole = tmp_path / "whole"
    # The disk that holds the archive outlives all of them.
    archive = KeptArchive()
    async with redis_on(whole) as first:
        await post_all(first)
        posted = append_only_file(whole).stat().st_size
        first.archived = True
        async with first.working("w1", crash=True, archive=archive):
            await until_all_done(first)
    written = append_only_file(whole).read_bytes()
    cuts = [posted + end for end in ends_of_commands(written[posted:])]
    # Leases, and three commits of ten commands and more.
    assert len(cuts) > 30
    for number, cut in enumerate(cuts):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.sock"))
        # Every other time in the middle of a command.
        append_only_file(folder).write_bytes(written[: cut - 3 * (number % 2)])
        async with redis_on(folder) as left:
            await assert_whole(left)
            left.archived = True
            async with left.working("w1", crash=True, archive=archive):
                await until_all_done(left)
            assert await outcome(left, archive) == faultless, f"cut {number} of {len(cuts)}, at byte {cut}"
        shutil.rmtree(folder)


async def assert_whole(core: Core) -> None:
    """What is said of each run fits together, and every step not scored waits behind the cursor."""
    for run_id, steps in RUNS.items():
        ref = core.ref(run_id)
        keys = core.keys.of_run(ref)
        record = await core.reader.read_run(ref)
        assert record is not None
        assert record.accepted == len(steps), "a step that was acknowledged is lost"
        scored = record.summary.steps
        scores = await core.reader.read_scores(ref, 0, 100)
        assert len(scores) == scored
        assert (await core.client.hget(keys.run(ref), "state") is None) == (scored == 0)
        assert len(await core.reader.read_run_alerts(ref)) == record.summary.alerts
        cursor = (await core.client.hget(keys.cursor, "id") or b"0-0").decode()
        behind = await core.client.xrange(keys.steps, min=f"({cursor}")
        waiting = [int(fields[b"p"]) for _, fields in behind if fields[b"r"].decode() == ref.name]
        assert waiting == list(range(scored, len(steps)))


@asynccontextmanager
async def redis_on(folder: Path) -> AsyncIterator[Core]:
    """A Redis as the service embeds it, on the files in this folder; killed in the end."""
    embedded = EmbeddedRedis(find_server(), folder)
    process = embedded.start()
    client = build_client(embedded.url)
    try:
        embedded.wait_until_ready(process)
        yield build_core(client)
    finally:
        await client.aclose()
        process.kill()
        process.wait()


def append_only_file(folder: Path) -> Path:
    """The file that grows: in a folder of its own since Redis 7."""
    return max(folder.rglob("*.aof"), key=lambda path: path.stat().st_size)


def ends_of_commands(written: bytes) -> Iterator[int]:
    """Where each command ends in this part of the file (RESP: *count, then $length and bytes each)."""
    at = 0
    while at < len(written):
        head = written.index(b"\r\n", at)
        count, at = int(written[at + 1 : head]), head + 2
        for _ in range(count):
            head = written.index(b"\r\n", at)
            at = head + 2 + int(written[at + 1 : head]) + 2
        yield at
