"""Compiled kernels find a place for their cache, also where the code's tree is read-only and another user's."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import monitors
from tests.unprivileged import NOBODY, copy_as_foreign_tree, give_up_roots_rights

HASH = """
import os
import numpy as np
from monitors.features import ngrams
out = np.empty(2 * ngrams.MAX_WORDS, np.int64)
count = ngrams.hash_ngrams(np.frombuffer(b"one two", np.uint8), 0, out)
stats = ngrams.hash_ngrams.stats
print(count, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), os.environ.get("NUMBA_CACHE_DIR", ""))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="forewarn-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def foreign_tree(open_folder: Path) -> Path:
    """A copy of the package that is read-only and, where this test may give it away, another user's."""
    return copy_as_foreign_tree([Path(monitors.__file__).parent], open_folder)


def run_as_stranger(tree: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the kernels from a tree and with a home that this process may read but not write."""
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(tree)}
    command = [sys.executable, "-W", "error", "-c", HASH]
    return subprocess.run(
        command,
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        preexec_fn=give_up_roots_rights,
    )


@pytest.mark.slow
def test_kernels_compile_in_another_users_read_only_tree_and_the_next_start_is_warm(
    foreign_tree: Path, open_folder: Path
) -> None:
    cold = run_as_stranger(foreign_tree, open_folder)
    warm = run_as_stranger(foreign_tree, open_folder)

    assert cold.returncode == warm.returncode == 0, cold.stderr + warm.stderr
    assert not list(foreign_tree.rglob("__pycache__"))
    count, hits, misses, folder = cold.stdout.split()
    assert (count, hits, misses) == ("3", "0", "1")
    assert Path(folder).parent == open_folder / "tmp"
    assert warm.stdout.split() == ["3", "1", "0", folder]
    assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700


def choose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, in_tree: bool, in_home: bool) -> str | None:
    """Which folder is chosen where only the named places can be written; None for numba's own choice."""
    from monitors.features import compiling

    (tmp_path / "tmp").mkdir(exist_ok=True)
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / ("tree" if in_tree else "file") / "compiling.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("home" if in_home else "file")))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    compiling.choose_cache_dir()
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return chosen


def test_a_tree_that_can_be_written_keeps_its_own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert choose(monkeypatch, tmp_path, in_tree=True, in_home=True) is None


def test_the_users_cache_folder_comes_before_the_temporary_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert choose(monkeypatch, tmp_path, in_tree=False, in_home=True) == str(tmp_path / "home" / "forewarn" / "numba")


def test_the_last_resort_is_a_private_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chosen = choose(monkeypatch, tmp_path, in_tree=False, in_home=False)

    assert chosen == str(tmp_path / "tmp" / f"forewarn-numba-{os.getuid()}")
    assert stat.S_IMODE(Path(chosen).stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_a_temporary_folder_that_another_user_laid_out_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trap = tmp_path / "tmp" / "forewarn-numba-0"
    trap.mkdir(parents=True)
    os.chown(trap, NOBODY, NOBODY)

    chosen = choose(monkeypatch, tmp_path, in_tree=False, in_home=False)

    assert chosen is not None
    assert chosen != str(trap)


def test_a_folder_that_the_environment_names_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from monitors.features import compiling

    monkeypatch.setenv("NUMBA_CACHE_DIR", "/named")

    compiling.choose_cache_dir()

    assert os.environ["NUMBA_CACHE_DIR"] == "/named"


def test_a_user_without_a_home_gets_a_folder_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from monitors.features import compiling

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)

    assert compiling._home_cache() is None
