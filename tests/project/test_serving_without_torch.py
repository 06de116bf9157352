"""Serving works where torch and whatever else only learning needs is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Refuses the imports as an environment without these packages would, then runs the rest of the command line.
BLOCKER = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    names = {"aalpy", "ijson", "matplotlib", "onnx", "onnxscript", "sklearn", "scipy", "torch"}

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None

sys.meta_path.insert(0, Absent())
"""


def run_without_torch(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{BLOCKER}\n{code}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)


def every_module_of(package: str) -> str:
    return f"""
import importlib, pkgutil
package = importlib.import_module({package!r})
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


def test_the_blocker_blocks() -> None:
    result = run_without_torch("import torch")
    assert result.returncode != 0
    assert "No module named 'torch'" in result.stderr


@pytest.mark.parametrize("package", ["monitors", "service", "forewarn.commands"])
def test_every_module_is_imported_without_torch(package: str) -> None:
    result = run_without_torch(every_module_of(package))
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n") > 1


def test_serve_shows_its_help_without_torch() -> None:
    result = run_without_torch("from forewarn.cli import main\nmain(['serve', '--help'])")
    assert result.returncode == 0, result.stderr
    assert "--port" in result.stdout


def test_a_verb_that_lacks_torch_says_in_one_line_which_extra_to_install() -> None:
    arguments = ["train", "raw", "--adapter", "adapter.json", "--outcomes", "runs.jsonl", "--out", "bundle"]
    result = run_without_torch(f"from forewarn.cli import main\nmain({arguments})")
    assert result.returncode == 1
    assert "which is not installed: install forewarn with the extra 'train'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.count("\n") == 1
