"""The quick start from nothing: a clone, an empty `.venv`, the page's commands as they stand, each timed."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, read_blocks
from tests.docs.reader import Reader
from tests.service.live import free_port

PROMISED_S = 15 * 60


@pytest.mark.soak
@pytest.mark.needs("redis-server", "curl", "git")
@pytest.mark.timeout(2 * PROMISED_S)
def test_a_newcomer_has_the_first_warning_within_fifteen_minutes(tmp_path: Path) -> None:
    """Needs a package index. pip keeps nothing of earlier installations for it."""
    started = time.monotonic()
    clone = tmp_path / "forewarn"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True, timeout=120)
    _print_time("git clone", started)
    environment = {"PIP_NO_CACHE_DIR": "1", "DEMO_RUNS": "1000"}
    reader = Reader(clone, free_port(), environment, limit_s=PROMISED_S, installed=False)
    with contextlib.ExitStack() as stack:
        for block in read_blocks("docs/quick-start.md"):
            began = time.monotonic()
            if block.serves:
                stack.enter_context(reader.serving(block))
                print(reader.last)
            elif block.kind == "sh" and "elsewhere" not in block.said:
                reader.run(block)
                print(reader.last)
            else:
                continue
            _print_time(block.text.splitlines()[0], began)
    _print_time("all", started)
    assert time.monotonic() - started < PROMISED_S


def _print_time(what: str, began: float) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)
