"""`scripts/install` says clearly what is missing, and passes over a Python that does not answer."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder to be the whole PATH, holding what the script itself needs and no Python."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("sh", "date"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def put_python(programs: Path, name: str, body: str) -> None:
    program = programs / name
    program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def install(programs: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(programs), "VENV": str(tmp_path / "venv")}
    command = [str(programs / "sh"), str(ROOT / "scripts" / "install"), "cpu"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_no_python_at_all_is_named(programs: Path, tmp_path: Path) -> None:
    result = install(programs, tmp_path)
    assert result.returncode == 1
    assert "no Python 3.11 or 3.12 was found" in result.stderr


def test_a_shim_that_fails_is_passed_over(programs: Path, tmp_path: Path) -> None:
    put_python(programs, "python3.11", "exit 127")
    put_python(programs, "python3.12", 'case "$2" in *ensurepip*) exit 1;; --version) echo "Python 3.12.9";; esac')
    result = install(programs, tmp_path)
    assert result.returncode == 1
    assert "python3.12 " in result.stderr


def test_a_missing_ensurepip_says_what_to_install(programs: Path, tmp_path: Path) -> None:
    put_python(programs, "python3.11", 'case "$2" in *ensurepip*) exit 1;; esac')
    result = install(programs, tmp_path)
    assert result.returncode == 1
    assert "apt-get install python3-venv" in result.stderr


def test_the_script_needs_no_right_to_be_set() -> None:
    assert os.access(ROOT / "scripts" / "install", os.X_OK)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
