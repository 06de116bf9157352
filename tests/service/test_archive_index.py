"""A run's steps are found in the archive again: beside a writer, after a kill, after a deletion."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import orjson
import pytest

from service.archive.files import FileArchive, read_archive
from service.archive.index import END, ROW
from service.archive.reading import ArchiveReader
from service.records import Cutoffs, Entry, RunRef

REF = RunRef("default", "a")
AT_US = 1_700_000_000_000_000


def entry(position: int, run_id: str = "a", project: str = "default", at_us: int = AT_US) -> Entry:
    data = orjson.dumps({"n": position, "of": run_id})
    return Entry(0, f"{position}-0", RunRef(project, run_id), position, data, at_us + position)


def read(folder: Path, ref: RunRef = REF, count: int = 10, at_us: int = AT_US, most: int = 2**20) -> dict[int, bytes]:
    found, _ = ArchiveReader(folder).read(ref, {n: (at_us + n) // 1000 for n in range(count)}, most)
    return found


def the_index(folder: Path) -> Path:
    (index,) = folder.glob("*/*.index")
    return index


def fill(folder: Path, owner: str = "w1") -> None:
    with closing(FileArchive(folder, owner)) as archive:
        archive.write([entry(0), entry(0, "b"), entry(1)])
        archive.write([entry(2), entry(0, "a", "other")])


def test_a_runs_steps_are_found_while_the_archive_is_written(tmp_path: Path) -> None:
    with closing(FileArchive(tmp_path, "w1")) as archive:
        archive.write([entry(0), entry(0, "b"), entry(1)])
        archive.write([entry(2), entry(0, "a", "other")])
        assert read(tmp_path) == {n: entry(n).data for n in range(3)}
        assert read(tmp_path, RunRef("other", "a")) == {0: entry(0).data}
        assert read(tmp_path, RunRef("third", "a")) == {}


def test_steps_in_segments_of_several_workers_are_put_together(tmp_path: Path) -> None:
    for owner, position in (("w1", 0), ("w2", 1), ("w3", 2)):
        with closing(FileArchive(tmp_path, owner)) as archive:
            archive.write([entry(position)])
    assert sorted(read(tmp_path)) == [0, 1, 2]


def test_the_step_of_an_earlier_run_of_the_same_name_is_not_taken(tmp_path: Path) -> None:
    fill(tmp_path)
    assert read(tmp_path, at_us=AT_US + 5_000_000) == {}


@pytest.mark.parametrize("damage", ["gone", "empty", "torn", "short", "row", "zeros"])
def test_an_index_that_is_not_whole_is_made_again(tmp_path: Path, damage: str) -> None:
    fill(tmp_path)
    index = the_index(tmp_path)
    whole = index.read_bytes()
    match damage:
        case "gone":
            index.unlink()
        case "empty":
            index.write_bytes(b"")
        case "torn":
            index.write_bytes(whole[:-5])
        case "short":
            index.write_bytes(whole[: 3 * ROW.itemsize])
        case "row":
            index.write_bytes(whole[: -ROW.itemsize])
        case "zeros":
            index.write_bytes(whole[: 3 * ROW.itemsize] + bytes(len(whole) - 3 * ROW.itemsize))
    # Whatever it says until then does no harm.
    assert set(read(tmp_path)) <= {0, 1, 2}
    FileArchive(tmp_path, "w2").repair_indexes(60)
    assert sorted(read(tmp_path)) == [0, 1, 2]
    assert memory(the_index(tmp_path).read_bytes()) == memory(whole)


def memory(raw: bytes) -> list[tuple[int, ...]]:
    """The rows of an index, without when they were written."""
    return [row[:4] for row in np.frombuffer(raw, ROW).tolist()]


def test_an_unfinished_frame_at_the_end_hides_none_before_it(tmp_path: Path) -> None:
    fill(tmp_path)
    (segment,) = tmp_path.glob("*/*.jsonl.zst")
    segment.write_bytes(segment.read_bytes()[:-7])
    the_index(tmp_path).unlink()
    FileArchive(tmp_path, "w2").repair_indexes(60)
    assert sorted(read(tmp_path)) == [0, 1]


def test_a_segment_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    with closing(FileArchive(tmp_path, "w1")) as archive:
        archive.write([entry(0)])
        before = the_index(tmp_path).stat().st_ino
        FileArchive(tmp_path, "w2").repair_indexes(60)
        archive.write([entry(1)])
        assert the_index(tmp_path).stat().st_ino == before
    assert sorted(read(tmp_path)) == [0, 1]


def test_an_index_that_cannot_be_written_costs_no_step_and_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(FileArchive(tmp_path, "w1")) as archive:
        with monkeypatch.context() as full:
            full.setattr(os, "write", lambda *_: 0)
            archive.write([entry(0)])
        archive.write([entry(1)])
    assert sorted(read(tmp_path)) == [1]
    FileArchive(tmp_path, "w2").repair_indexes(60)
    assert sorted(read(tmp_path)) == [0, 1]


def test_nothing_of_an_erased_run_is_found_and_the_others_still_are(tmp_path: Path) -> None:
    fill(tmp_path)
    with closing(FileArchive(tmp_path, "w2")) as archive:
        assert archive.erase({REF.digest}, 0)
    assert read(tmp_path) == {}
    assert read(tmp_path, RunRef("default", "b")) == {0: entry(0, "b").data}
    assert len({row[0] for row in memory(the_index(tmp_path).read_bytes()) if row[1] != END}) == 2


def test_an_index_goes_with_its_last_run(tmp_path: Path) -> None:
    with closing(FileArchive(tmp_path, "w1")) as archive:
        archive.write([entry(0)])
    with closing(FileArchive(tmp_path, "w2")) as archive:
        assert archive.erase({REF.digest}, 0)
    assert not list(tmp_path.glob("*/*.*"))


def test_an_index_of_what_lay_there_before_the_deletion_gives_nothing_away(tmp_path: Path) -> None:
    fill(tmp_path)
    stale = the_index(tmp_path).read_bytes()
    with closing(FileArchive(tmp_path, "w2")) as archive:
        archive.erase({REF.digest}, 0)
    the_index(tmp_path).write_bytes(stale)
    assert read(tmp_path) == {}


def test_the_retention_takes_the_index_too(tmp_path: Path) -> None:
    fill(tmp_path)
    (day,) = tmp_path.iterdir()
    shutil.move(day, tmp_path / "2020-01-01")
    FileArchive(tmp_path, "w2").sweep(Cutoffs.same(AT_US // 1000))
    assert not list(tmp_path.rglob("*.index"))


def test_one_answer_takes_no_more_bytes_than_it_may_but_at_least_a_step(tmp_path: Path) -> None:
    fill(tmp_path)
    found, is_all = ArchiveReader(tmp_path).read(REF, dict.fromkeys(range(3), AT_US // 1000), 1)
    assert (len(found), is_all) == (1, False)


def test_a_machine_without_the_folder_says_so(tmp_path: Path) -> None:
    assert not ArchiveReader(tmp_path / "none").is_there


def test_a_large_batch_is_written_in_frames_that_are_soon_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.archive.files.PORTION_BYTES", 60)
    with closing(FileArchive(tmp_path, "w1")) as archive:
        archive.write([entry(n) for n in range(10)])
    frames = {row[2] for row in memory(the_index(tmp_path).read_bytes())}
    assert 3 <= len(frames) <= 5
    assert sorted(read(tmp_path)) == list(range(10))
    assert [one.position for one in read_archive(tmp_path)] == list(range(10))
