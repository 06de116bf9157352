"""Registered bundles on disk: whole or not there, verified as they are kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import orjson
import pytest

from monitors.bundle import read_monitor_id
from monitors.bundle.folder import EXAMPLES, GOLDEN, GRAPH, MANIFEST
from monitors.errors import BundleError, BundleTamperedError
from service.registry import folders as folders_module
from service.registry.folders import BundleFolders
from tests.tiny_bundle import shared_tiny_bundle


@pytest.fixture
def bundle(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    shared = shared_tiny_bundle(tmp_path_factory.getbasetemp()).path
    return shutil.copytree(shared, tmp_path / "bundle")


@pytest.fixture
def folders(tmp_path: Path) -> BundleFolders:
    return BundleFolders(tmp_path / "data" / "monitors")


def names(folders: BundleFolders) -> list[str]:
    return sorted(path.name for path in folders.root.iterdir())


def test_a_bundle_is_kept_under_its_id_with_all_its_files(folders: BundleFolders, bundle: Path) -> None:
    (bundle / "notes.txt").write_text("not the monitor's")
    monitor_id, folder = folders.keep(bundle)
    assert monitor_id == read_monitor_id(bundle)
    assert folders.find(monitor_id) == folder == folders.root / monitor_id
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert kept == {path.name: path.read_bytes() for path in bundle.iterdir() if path.name != "notes.txt"}


def test_keeping_it_again_changes_nothing(folders: BundleFolders, bundle: Path) -> None:
    _, folder = folders.keep(bundle)
    before = folder.stat().st_ino
    folders.keep(bundle)
    assert folder.stat().st_ino == before
    assert names(folders) == [folder.name]


def test_a_kept_bundle_that_was_damaged_is_mended(folders: BundleFolders, bundle: Path) -> None:
    _, folder = folders.keep(bundle)
    (folder / EXAMPLES).write_bytes(b"[]")
    folders.keep(bundle)
    assert (folder / EXAMPLES).read_bytes() == (bundle / EXAMPLES).read_bytes()


def test_the_same_monitor_with_more_beside_it_replaces_what_is_kept(folders: BundleFolders, bundle: Path) -> None:
    manifest = orjson.loads((bundle / MANIFEST).read_bytes())
    digest = manifest["files"].pop(GOLDEN)
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    (bundle / MANIFEST).write_bytes(orjson.dumps(manifest, option=options))
    bare, folder = folders.keep(bundle)
    manifest["files"][GOLDEN] = digest
    (bundle / MANIFEST).write_bytes(orjson.dumps(manifest, option=options))
    assert folders.keep(bundle) == (bare, folder)
    assert (folder / GOLDEN).exists()


@pytest.mark.parametrize("name", [GRAPH, MANIFEST])
def test_a_bundle_without_one_of_its_files_is_refused_and_leaves_nothing(
    folders: BundleFolders, bundle: Path, name: str
) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=name):
        folders.keep(bundle)
    assert not folders.root.exists() or names(folders) == []


def test_a_damaged_bundle_is_refused_naming_the_file(folders: BundleFolders, bundle: Path) -> None:
    with (bundle / GRAPH).open("ab") as graph:
        graph.write(b"x")
    with pytest.raises(BundleTamperedError, match=GRAPH):
        folders.keep(bundle)
    assert names(folders) == []


def test_no_link_is_followed_out_of_a_bundle(folders: BundleFolders, bundle: Path, tmp_path: Path) -> None:
    (bundle / EXAMPLES).rename(tmp_path / "elsewhere")
    (bundle / EXAMPLES).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        folders.keep(bundle)
    assert names(folders) == []


def test_a_process_killed_in_the_middle_leaves_no_bundle_that_is_found(
    folders: BundleFolders, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(folders_module, "_sync", die)
    monkeypatch.setattr(folders_module.shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(Killed):
        folders.keep(bundle)
    monkeypatch.undo()
    (left,) = names(folders)
    assert folders.find(read_monitor_id(bundle)) is None
    old = folders.root / left
    os.utime(old, (0, 0))
    monitor_id, _ = folders.keep(bundle)
    assert names(folders) == [monitor_id]


@pytest.mark.parametrize("name", ["../bundle", "", ".new-x", "a/b", "m-unheard-of", "x" * 100])
def test_nothing_else_is_found(folders: BundleFolders, bundle: Path, name: str) -> None:
    folders.keep(bundle)
    assert folders.find(name) is None


def test_a_removed_bundle_is_gone(folders: BundleFolders, bundle: Path) -> None:
    monitor_id, _ = folders.keep(bundle)
    assert folders.remove(monitor_id)
    assert not folders.remove(monitor_id)
    assert names(folders) == []
