"""Scored steps go into the archive before they leave the log, whoever dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from service.archive.files import FileArchive, read_archive
from service.errors import SettingsError
from service.records import Cutoffs, Entry, RunRef
from tests.service.conftest import Core
from tests.service.test_step_log import step


def entry(position: int, run_id: str = "a") -> Entry:
    return Entry(0, f"{position}-0", RunRef("default", run_id), position, step(position), 1_000_000 + position)


def found(folder: Path) -> list[tuple[str, int]]:
    return [(one.ref.run_id, one.position) for one in read_archive(folder)]


class FailingArchive:
    """Fails a few times, then keeps what it is given."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.kept: list[Entry] = []

    def write(self, entries: Sequence[Entry]) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.kept += entries

    def sweep(self, older_than_ms: int) -> int:
        return 0


@pytest.fixture(autouse=True)
def _archived(core: Core) -> None:
    core.archived = True


async def in_log(core: Core) -> int:
    return sum([await core.client.xlen(core.keys[partition].steps) for partition in range(core.keys.count)])


async def until_empty(core: Core) -> None:
    for _ in range(500):
        if not await in_log(core):
            return
        await asyncio.sleep(0.02)
    pytest.fail("steps are still in the log after 10 s")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FileArchive]:
    """An archive in files, closed in the end."""
    with closing(FileArchive(tmp_path, "w1")) as archive:
        yield archive


def write(folder: Path, owner: str, *batches: list[Entry]) -> None:
    """Archive batches as one process would."""
    with closing(FileArchive(folder, owner)) as archive:
        for batch in batches:
            archive.write(batch)


def test_what_is_written_is_read_again_with_its_run_and_position(tmp_path: Path) -> None:
    write(tmp_path, "w1", [entry(0), entry(0, "b")], [entry(1)])
    steps = list(read_archive(tmp_path))
    assert [(one.ref.run_id, one.position, one.step, one.received_us) for one in steps] == [
        ("a", 0, {"n": 0}, 1_000_000),
        ("b", 0, {"n": 0}, 1_000_000),
        ("a", 1, {"n": 1}, 1_000_001),
    ]


def test_a_step_archived_twice_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, "w1", [entry(0), entry(1)])
    write(tmp_path, "w2", [entry(1), entry(2)])
    assert sorted(found(tmp_path)) == [("a", 0), ("a", 1), ("a", 2)]


def test_a_frame_left_unfinished_by_a_kill_hides_nothing_before_it(tmp_path: Path) -> None:
    write(tmp_path, "w1", [entry(0)], [entry(1)])
    (segment,) = tmp_path.glob("*/*.zst")
    segment.write_bytes(segment.read_bytes()[:-5])
    assert found(tmp_path) == [("a", 0)]


def test_a_segment_is_plain_zstd_of_json_lines(tmp_path: Path) -> None:
    write(tmp_path, "w1", [entry(0)], [])
    (segment,) = tmp_path.glob("*/*.jsonl.zst")
    text = zstandard.ZstdDecompressor().stream_reader(segment.read_bytes(), read_across_frames=True).read()
    assert text == b'{"project":"default","run_id":"a","position":0,"received_us":1000000,"step":{"n":0}}\n'


def test_days_beyond_the_retention_are_deleted_and_others_stay(tmp_path: Path) -> None:
    write(tmp_path, "w1", [entry(0)])
    (tmp_path / "2020-01-01").mkdir()
    (tmp_path / "notes").mkdir()
    week_ago = datetime.now(UTC) - timedelta(days=7)
    assert FileArchive(tmp_path, "w1").sweep(Cutoffs.same(int(week_ago.timestamp() * 1000))) == 1
    assert found(tmp_path) == [("a", 0)]
    assert (tmp_path / "notes").exists()


def test_a_folder_that_cannot_be_written_to_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="FOREWARN_ARCHIVE_DIR"):
        FileArchive(tmp_path / "file" / "archive", "w1")


async def test_steps_leave_the_log_only_once_they_are_archived(
    core: Core, archive: FileArchive, tmp_path: Path
) -> None:
    await core.post("a", *[step(n) for n in range(50)])
    async with core.working(archive=archive):
        await core.until_scored("a", 50)
        await until_empty(core)
    assert found(tmp_path) == [("a", position) for position in range(50)]


async def test_while_the_archive_fails_steps_stay_and_nothing_is_lost(core: Core) -> None:
    archive = FailingArchive(failures=10**9)
    await core.post("a", *[step(n) for n in range(5)])
    async with core.working(archive=archive):
        await core.until_scored("a", 5)
        await asyncio.sleep(0.8)
        assert await in_log(core) == 5
        archive.failures = 0
        await core.post("a", step(5))
        await until_empty(core)
    assert [one.position for one in archive.kept] == list(range(6))


async def test_what_an_owner_left_unarchived_its_successor_archives(
    core: Core, archive: FileArchive, tmp_path: Path
) -> None:
    await core.post("a", *[step(n) for n in range(300)])
    async with core.working("w1"):
        await core.until_scored("a", 300)
    assert await in_log(core) == 300
    async with core.working(archive=archive):
        await until_empty(core)
    assert found(tmp_path) == [("a", position) for position in range(300)]


async def test_unarchived_steps_do_not_count_as_backlog(core: Core) -> None:
    await core.post("a", *[step(n) for n in range(5)])
    assert sum(await core.reader.backlog()) == 5
    async with core.working("w1"):
        await core.until_scored("a", 5)
    assert await in_log(core) == 5
    assert sum(await core.reader.backlog()) == 0


async def test_a_drained_worker_leaves_nothing_unarchived(core: Core, archive: FileArchive) -> None:
    await core.post("a", step(0))
    async with core.working(archive=archive):
        await core.until_scored("a", 1)
    assert await in_log(core) == 0
