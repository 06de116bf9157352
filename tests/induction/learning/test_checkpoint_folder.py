"""Checkpoints come back as they were kept, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from induction.learning.checkpoint_folder import CheckpointFolder

IDENTITY = {"runs": "1", "settings": "2"}


def opened(folder: Path, identity: dict[str, str] = IDENTITY) -> tuple[CheckpointFolder, list[str]]:
    """Return the checkpoints of a folder, and the notes that they make."""
    notes: list[str] = []
    checkpoints = CheckpointFolder(folder, identity, notes.append)
    checkpoints.open()
    return checkpoints, notes


def test_arrays_come_back_with_their_types_and_shapes(tmp_path: Path) -> None:
    arrays = {
        "a/b.c": np.arange(6, dtype=np.float32).reshape(2, 3),
        "scalar": np.array(2.5),
        "none": np.zeros((0, 4), np.uint8),
        "bits": np.array([True, False]),
    }
    opened(tmp_path / "x.training")[0].keep("one", arrays)

    found = opened(tmp_path / "x.training")[0].find("one")

    assert found is not None
    assert found.keys() == arrays.keys()
    assert all(found[name].dtype == arrays[name].dtype for name in arrays)
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_what_was_never_kept_is_not_found_and_nothing_is_made(tmp_path: Path) -> None:
    checkpoints, notes = opened(tmp_path / "x.training")

    assert checkpoints.find("one") is None
    assert notes == []
    assert not (tmp_path / "x.training").exists()


def test_the_last_one_kept_counts(tmp_path: Path) -> None:
    checkpoints, _ = opened(tmp_path)
    for number in range(3):
        checkpoints.keep("one", {"number": np.array(number)})

    found = checkpoints.find("one")

    assert found is not None
    assert int(found["number"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["one.checkpoint"]


def test_those_of_another_identity_are_removed_and_the_difference_is_named(tmp_path: Path) -> None:
    opened(tmp_path)[0].keep("one", {"number": np.array(1)})

    checkpoints, notes = opened(tmp_path, {**IDENTITY, "settings": "3"})

    assert checkpoints.find("one") is None
    assert len(notes) == 1
    assert "(settings differ)" in notes[0]
    assert not list(tmp_path.iterdir())


def test_a_resumption_says_where_it_goes_on_from(tmp_path: Path) -> None:
    opened(tmp_path)[0].keep("one", {"number": np.array(1)})

    assert opened(tmp_path)[1] == [f"Going on from the checkpoints in {tmp_path}: 1"]


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.99])
def test_a_file_cut_short_is_not_used_and_that_is_told(tmp_path: Path, keep: float) -> None:
    checkpoints, notes = opened(tmp_path)
    checkpoints.keep("one", {"numbers": np.arange(50)})
    path = tmp_path / "one.checkpoint"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])

    assert checkpoints.find("one") is None
    assert len(notes) == 1
    assert f"{path} is damaged" in notes[0]


@pytest.mark.parametrize("content", [b"\xff\x00", b"[]\n", b'{"of":1,"sha256":2}\nx', b"null\n"])
def test_a_file_that_is_no_checkpoint_is_not_used(tmp_path: Path, content: bytes) -> None:
    checkpoints, notes = opened(tmp_path)
    (tmp_path / "one.checkpoint").write_bytes(content)

    assert checkpoints.find("one") is None
    assert len(notes) == 1


def test_a_folder_that_cannot_be_written_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    checkpoints, notes = opened(tmp_path / "taken")

    for _ in range(2):
        checkpoints.keep("one", {"number": np.array(1)})

    assert len(notes) == 1
    assert "no checkpoint can be written" in notes[0]


def test_clearing_removes_the_folder_but_nothing_of_somebody_else(tmp_path: Path) -> None:
    for name in ("own", "shared"):
        checkpoints, _ = opened(tmp_path / name)
        checkpoints.keep("one", {"number": np.array(1)})
        (tmp_path / name / "two-77.checkpoint-part").write_bytes(b"torn")
    (tmp_path / "shared" / "notes.txt").write_text("mine")

    for name in ("own", "shared"):
        opened(tmp_path / name)[0].clear()

    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["shared", "shared/notes.txt"]
