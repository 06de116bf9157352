"""The import contracts can fail: each way to break one is caught, lazy and typing-only imports included."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = shutil.which("lint-imports", path=str(Path(sys.executable).parent))


def lint(tree: Path, contract: str) -> subprocess.CompletedProcess[str]:
    assert LINT is not None, "lint-imports is not installed beside this Python"
    command = [LINT, "--no-cache", "--contract", contract]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Four empty packages under the project's own contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("forewarn", "monitors", "induction", "service"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("contract", ["layers", "monitors-is-small", "service-never-learns", "induction-is-offline"])
def test_packages_that_import_nothing_keep_every_contract(tree: Path, contract: str) -> None:
    result = lint(tree, contract)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("package", "line", "contract"),
    [
        ("service", "import induction", "layers"),
        ("induction", "import service", "layers"),
        ("monitors", "import service", "layers"),
        ("service", "import forewarn", "layers"),
        ("monitors", "import torch", "monitors-is-small"),
        ("service", "import torch", "service-never-learns"),
        ("induction", "import redis", "induction-is-offline"),
    ],
)
@pytest.mark.parametrize(
    "form",
    ["{}", "def later():\n    {}", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}"],
    ids=["plain", "lazy", "typing-only"],
)
def test_a_forbidden_import_is_caught(tree: Path, package: str, line: str, contract: str, form: str) -> None:
    (tree / package / "part.py").write_text(form.format(line) + "\n", encoding="utf-8")
    result = lint(tree, contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout


def test_a_circle_is_caught(tree: Path) -> None:
    (tree / "service" / "one.py").write_text("import service.two\n", encoding="utf-8")
    (tree / "service" / "two.py").write_text("def later():\n    import service.one\n", encoding="utf-8")
    assert lint(tree, "no-cycles").returncode == 1
