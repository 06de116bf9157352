"""The supervisor's own rules, over processes that do nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import FatalError
from service.processes import EXIT_FATAL
from service.supervisor import Child, Supervisor


def exits(status: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", f"raise SystemExit({status})"])


def sleeps() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_a_child_that_keeps_dying_waits_longer_each_time_and_at_most_ten_seconds() -> None:
    child = Child("c", sleeps)
    child.started = 100.0
    pauses = [child.note_death(101.0) for _ in range(12)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(pauses) == 10.0
    assert child.note_death(200.0) == 0.0


def test_a_child_that_died_is_started_again(tmp_path: Path) -> None:
    child = Child("c", sleeps)
    supervisor = Supervisor(tmp_path, [child])
    child.launch()
    assert child.process is not None
    first = child.process
    first.kill()
    first.wait()
    supervisor.look(child.started + 11)
    assert child.process is not None
    assert child.process.pid != first.pid
    supervisor.stop_children()
    assert child.process.poll() is not None


def test_a_child_that_cannot_work_stops_everything(tmp_path: Path) -> None:
    other = Child("other", sleeps)
    supervisor = Supervisor(tmp_path, [other, Child("c", lambda: exits(EXIT_FATAL))])
    with pytest.raises(FatalError, match="c cannot work"):
        supervisor.run()
    assert other.process is not None
    assert other.process.poll() is not None
