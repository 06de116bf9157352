"""What every test may rely on: a clean environment, and tests that cannot run here saying so by name.

- `needs("redis-server", ...)`: skipped, naming the tool, where a tool is missing; failed under FOREWARN_REQUIRE=all.
- `realdata`: skipped without FOREWARN_REALDATA (the folder that holds `data/`).
- `cuda`, `cuda("torch")`: reported as not run where there is no GPU that ONNX Runtime, or torch, can use.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest

KEPT = {"FOREWARN_REALDATA", "FOREWARN_REQUIRE"}

# The settings of whoever runs the suite must not reach it, so they go before anything is imported that might read them.
for _name in [name for name in os.environ if name.startswith("FOREWARN_") and name not in KEPT]:
    del os.environ[_name]

# Which of several processes of the suite this is: gw0, gw1, …; empty where it is the only one.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")
if PROCESS:
    # Two that compile into one folder at a time may take each other's kernels for their own: numba numbers its files.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / f"kernels-{PROCESS}"))

# The same examples on every run: a build next year is this build.
hypothesis.settings.register_profile("forewarn", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("forewarn")

# What a test may ask for → the commands that will do, any of them.
TOOLS = {
    "redis-server": ("redis-server",),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "graphviz": ("dot",),
    "wrk": ("wrk",),
    "curl": ("curl",),
    "git": ("git",),
}
REDIS_MAJOR = 7


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--redis",
        action="append",
        choices=("embedded", "single", "cluster"),
        help="run all tests that need a Redis on this kind only; may be given more than once",
    )


def pytest_configure(config: pytest.Config) -> None:
    required = os.environ.get("FOREWARN_REQUIRE", "")
    if required not in {"", "all"}:
        raise pytest.UsageError(f"FOREWARN_REQUIRE is {required!r}; it may be 'all' or unset")
    realdata = os.environ.get("FOREWARN_REALDATA")
    if realdata and not (Path(realdata) / "data").is_dir():
        raise pytest.UsageError(f"FOREWARN_REALDATA is {realdata!r}, which holds no folder 'data'")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if PROCESS:
        from tests.parallel import in_order

        items[:] = in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    from tests.parallel import UnitScheduling

    return UnitScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for tool in mark.args:
            problem = missing_tool(tool)
            if problem and os.environ.get("FOREWARN_REQUIRE") == "all":
                pytest.fail(f"{problem}, and FOREWARN_REQUIRE=all", pytrace=False)
            if problem:
                pytest.skip(problem)
    if item.get_closest_marker("realdata") and not os.environ.get("FOREWARN_REALDATA"):
        pytest.skip("needs real agent runs: FOREWARN_REALDATA is not set")
    gpu = item.get_closest_marker("cuda")
    if gpu and (problem := missing_gpu(*gpu.args)):
        pytest.skip(f"not run: {problem}")


@cache
def missing_tool(tool: str) -> str | None:
    """What is wrong with this system tool, beginning with its name's need, or None if it is here."""
    if tool not in TOOLS:
        raise pytest.UsageError(f"needs({tool!r}): no such tool in tests/conftest.py; known: {', '.join(TOOLS)}")
    found = next((path for command in TOOLS[tool] if (path := shutil.which(command))), None)
    if found is None:
        return f"needs {tool}, which is missing"
    if tool == "redis-server":
        # It answers with a line such as: Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc
        answer = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
        version = re.search(r"\bv=(\d+)", answer)
        if version is None or int(version[1]) < REDIS_MAJOR:
            return f"needs redis-server {REDIS_MAJOR} or newer, and {found} says {answer.strip() or 'nothing'}"
    return None


@cache
def missing_gpu(library: str = "onnxruntime") -> str | None:
    """Why no test can use a GPU by this library here, or None if one can."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return "no NVIDIA GPU is at hand (no nvidia-smi)"
    listed = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=60, check=False)
    if listed.returncode != 0 or "GPU " not in listed.stdout:
        return "no NVIDIA GPU is at hand (nvidia-smi lists none)"
    if library == "torch":
        from induction.errors import NoCudaError
        from induction.learning.device import find_cuda

        try:
            find_cuda()
        except NoCudaError as error:
            return error.reason
        return None
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return "onnxruntime is not installed"
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this onnxruntime has no CUDA: install the extra gpu in place of cpu"
    return None


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real corpora, each with `raw.tar.xz` and `runs.jsonl`; the test must be marked `realdata`."""
    return Path(os.environ["FOREWARN_REALDATA"]) / "data"


@pytest.fixture(scope="session")
def tool_path() -> Callable[[str], str]:
    """Finds the command of a system tool; the test must be marked `needs(tool)`."""

    def find(tool: str) -> str:
        return next(path for command in TOOLS[tool] if (path := shutil.which(command)))

    return find


@pytest.fixture(autouse=True)
def _environment_is_left_as_found() -> Iterator[None]:
    """A test that sets FOREWARN_* and forgets to unset it fails here, rather than in another test."""
    before = {name: value for name, value in os.environ.items() if name.startswith("FOREWARN_")}
    yield
    after = {name: value for name, value in os.environ.items() if name.startswith("FOREWARN_")}
    assert after == before, "this test changed FOREWARN_* variables of the process; use monkeypatch.setenv"
