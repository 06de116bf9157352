"""The example that learns from what it served runs as a user runs it, and ends on the next monitor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_500_served_runs_teach_a_monitor_that_new_runs_begin_on(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "learn_from_live.py"), "--out", str(tmp_path / "out")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "taken: 500 runs" in done.stderr
    assert "compared with the first, the next is: better" in done.stdout
    activated = re.search(r"^activated (m-[0-9a-f]{12})$", done.stdout, re.MULTILINE)
    assert activated is not None
    assert f"a new run began on {activated[1]}" in done.stdout
