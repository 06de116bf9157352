"""Bundles are written whole or not at all, and read only if they are what they say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from monitors import Monitor
from monitors.bundle import Manifest, read_manifest, verify_files, write_bundle
from monitors.bundle.folder import FILES, MANIFEST
from monitors.bundle.manifest import FORMAT, GroupRecord, GroupsRecord, digest_task
from monitors.errors import BundleError, BundleTamperedError, BundleVersionError
from tests.tiny_bundle import TinyBundle, tiny_spec

ARRAYS: dict[str, Any] = {"slots": np.arange(3, dtype=np.int32), "idf": np.ones(3, np.float32)}


@pytest.fixture
def manifest(monitor: Monitor) -> Manifest:
    return monitor.manifest


@pytest.fixture
def copy(tiny: TinyBundle, tmp_path: Path) -> Path:
    return shutil.copytree(tiny.path, tmp_path / "bundle")


def write(folder: Path, manifest: Manifest, examples: Any = ()) -> Manifest:
    return write_bundle(folder, manifest, tiny_spec(), b"graph", ARRAYS, list(examples))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_written_bundle_verifies_and_reads_back(tmp_path: Path, manifest: Manifest) -> None:
    written = write(tmp_path / "deep" / "bundle", manifest)

    assert read_manifest(tmp_path / "deep" / "bundle") == written
    verify_files(tmp_path / "deep" / "bundle", written)
    assert set(contents(tmp_path / "deep" / "bundle")) == {*FILES, MANIFEST}


def test_the_same_parts_give_the_same_bytes(tmp_path: Path, manifest: Manifest) -> None:
    write(tmp_path / "one", manifest)
    write(tmp_path / "two", manifest)

    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_bundle_that_is_there_is_replaced(tmp_path: Path, manifest: Manifest) -> None:
    write(tmp_path / "bundle", manifest)
    write(tmp_path / "bundle", manifest.model_copy(update={"name": "second"}))

    assert read_manifest(tmp_path / "bundle").name == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_write_that_fails_leaves_the_old_bundle_and_nothing_beside_it(tmp_path: Path, manifest: Manifest) -> None:
    write(tmp_path / "bundle", manifest)
    before = contents(tmp_path / "bundle")

    with pytest.raises(TypeError):
        write(tmp_path / "bundle", manifest, examples=[object()])

    assert contents(tmp_path / "bundle") == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_write_that_fails_leaves_no_new_folder(tmp_path: Path, manifest: Manifest) -> None:
    with pytest.raises(TypeError):
        write(tmp_path / "bundle", manifest, examples=[object()])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "theirs",
    [
        {"thesis.txt": b"ten years of work"},
        {MANIFEST: b'{"name": "a web application", "icons": []}'},
        {MANIFEST: b"not json"},
        {MANIFEST: b"[]", "app.js": b""},
    ],
)
def test_a_folder_of_somebody_elses_is_never_replaced(
    tmp_path: Path, manifest: Manifest, theirs: dict[str, bytes]
) -> None:
    for name, content in theirs.items():
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)

    with pytest.raises(BundleError, match="is no bundle: name another folder"):
        write(tmp_path / "folder", manifest)

    assert contents(tmp_path / "folder") == theirs


def test_a_file_is_never_replaced(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(BundleError, match="is no bundle"):
        write(tmp_path / "file", manifest)

    assert (tmp_path / "file").read_text() == "mine"


def test_an_empty_folder_becomes_the_bundle(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "bundle").mkdir()

    write(tmp_path / "bundle", manifest)

    assert read_manifest(tmp_path / "bundle").name == manifest.name


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_changed_is_named(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes() + b" ")

    with pytest.raises(BundleTamperedError, match=name):
        Monitor.read(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()

    with pytest.raises(BundleTamperedError, match=name):
        Monitor.read(copy)


def test_a_manifest_without_a_files_hash_is_refused(copy: Path) -> None:
    manifest = read_manifest(copy)
    stripped = manifest.model_copy(update={"files": {"adapter.json": manifest.files["adapter.json"]}})

    with pytest.raises(BundleTamperedError, match=r"names no hash for graph\.onnx"):
        verify_files(copy, stripped)


def test_a_newer_format_says_to_upgrade_even_if_all_else_changed(copy: Path) -> None:
    (copy / MANIFEST).write_bytes(orjson.dumps({"format": FORMAT + 1, "everything": "new"}))

    with pytest.raises(BundleVersionError, match=f"format {FORMAT + 1}.*upgrade"):
        Monitor.read(copy)


def test_a_folder_that_is_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BundleError, match="forewarn train"):
            read_manifest(folder)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"alpha": 2}, "alpha"),
        ({"calibration": {}}, "calibration"),
        ({"surprise": 1}, "surprise"),
        ({"format": 0}, "format"),
    ],
)
def test_a_damaged_manifest_says_where(copy: Path, change: dict[str, Any], where: str) -> None:
    raw_manifest = orjson.loads((copy / MANIFEST).read_bytes())
    (copy / MANIFEST).write_bytes(orjson.dumps({**raw_manifest, **change}))

    with pytest.raises(BundleError, match=f"is damaged at {where}"):
        read_manifest(copy)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"7"])
def test_a_manifest_that_is_no_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)

    with pytest.raises(BundleError, match=MANIFEST):
        read_manifest(tmp_path)


def test_a_summary_leaves_the_long_lists_out(manifest: Manifest) -> None:
    summary = manifest.summary()

    assert summary["calibration"]["successes"] == len(manifest.calibration.success_maxima)
    assert not {"tasks", "files"} & summary.keys()


def test_a_manifest_states_its_promises_and_its_own_among_them(manifest: Manifest) -> None:
    own = manifest.model_copy(update={"alpha": 0.07}).promises()

    assert [one.alpha for one in manifest.promises()] == sorted({0.01, 0.05, 0.1, 0.2, manifest.alpha})
    assert [one.alpha for one in own] == [0.01, 0.05, 0.07, 0.1, 0.2]


def test_the_promise_of_a_manifest_is_that_of_its_threshold(manifest: Manifest) -> None:
    (own,) = [one for one in manifest.promises() if one.alpha == manifest.alpha]

    assert (own.threshold, own.realised_range) == (manifest.threshold, manifest.realised_range)


def test_a_tasks_digest_is_pinned() -> None:
    assert digest_task("task-1") == "7afaa346b4bf92bf"
    assert len(digest_task("\ud800")) == 16


OLD = Path(__file__).with_name("manifest-1-before-offsets.json")


def test_a_manifest_from_before_thresholds_by_turn_and_group_has_one_flat_threshold(tmp_path: Path) -> None:
    shutil.copy(OLD, tmp_path / MANIFEST)
    manifest = read_manifest(tmp_path)

    assert (manifest.format, manifest.offsets, manifest.groups) == (1, [], None)
    assert {one.alpha: one.threshold for one in manifest.promises()}[0.25] == manifest.threshold


def test_a_manifest_from_before_devices_were_kept_has_none(tmp_path: Path) -> None:
    shutil.copy(OLD, tmp_path / MANIFEST)

    assert read_manifest(tmp_path).training.device is None


def test_a_bundle_with_one_flat_threshold_has_the_fields_that_it_always_had(tiny: TinyBundle) -> None:
    written = orjson.loads((tiny.path / MANIFEST).read_bytes()).keys()

    assert written - {"cost", "reference"} == orjson.loads(OLD.read_bytes()).keys()


def test_thresholds_by_turn_and_by_group_read_back(tmp_path: Path, manifest: Manifest) -> None:
    record = GroupRecord(success_maxima=[1.0], threshold=1.0, release=None)
    groups = GroupsRecord(by="agent", needed=1, own={"amy": record}, others=record)
    varied = manifest.model_copy(update={"offsets": [-1.0, 0.0], "groups": groups})

    assert write(tmp_path / "bundle", varied) == read_manifest(tmp_path / "bundle")
    assert read_manifest(tmp_path / "bundle").groups == groups


@pytest.mark.parametrize("offsets", [["high"], [1e400], [0.0] * 1001])
def test_offsets_that_no_training_gives_are_refused(copy: Path, offsets: list[Any]) -> None:
    raw_manifest = orjson.loads((copy / MANIFEST).read_bytes())
    (copy / MANIFEST).write_text(json.dumps({**raw_manifest, "offsets": offsets}))

    with pytest.raises(BundleError, match=r"offsets|cannot be read"):
        read_manifest(copy)
