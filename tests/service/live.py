"""The whole service as `forewarn serve` starts it, for tests to drive: real processes over HTTP, and kills by pid."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from monitors.stepview import JsonValue
from tests.ports import free_port


@dataclass
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    http: httpx.Client
    log: Path

    def pids(self, kind: str) -> list[int]:
        """The pids of the supervisor's children of a kind: redis, api or worker."""
        found = []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in map(int, children):
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                if (kind == "redis" and "redis.sock" in line) or line.endswith(f"service.app {kind}"):
                    found.append(pid)
        return found

    def kill(self, kind: str, rng: random.Random | None = None) -> int:
        """SIGKILL one child of a kind, if one is alive just now; how many were killed. `rng` chooses which."""
        pids = self.pids(kind)
        if not pids:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(rng.choice(pids) if rng else pids[0], signal.SIGKILL)
            return 1
        return 0

    def until_ready(self, within_s: float = 40.0) -> None:
        self.until(lambda: self.get("/readyz") == 200, within_s, "ready")

    def get(self, path: str) -> int:
        with contextlib.suppress(httpx.TransportError):
            return self.http.get(path).status_code
        return 0

    def until(self, holds: Callable[[], bool], within_s: float, what: str) -> None:
        deadline = time.monotonic() + within_s
        while not holds():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"not {what} in {within_s} s: {self.log.read_text()[-3000:]}"
            time.sleep(0.05)

    def until_scored(self, run_id: str, steps: int) -> dict[str, Any]:
        """The run, once so many of its steps are scored."""
        run: dict[str, Any] = {}

        def scored() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answer = self.http.get(f"/v1/runs/{run_id}")
                run.update(answer.json() if answer.status_code == 200 else {})
            return bool(run.get("scored", -1) >= steps)

        self.until(scored, 30, f"{run_id} scored")
        return run

    def post(self, run_id: str, step: JsonValue, step_id: str) -> int:
        """Post until it is acknowledged, as a careful client does; the step's position."""
        deadline = time.monotonic() + 40
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = self.http.post(f"/v1/runs/{run_id}/steps", json=step, headers={"Idempotency-Key": step_id})
                if answer.status_code == 202:
                    return int(answer.json()["steps"][0]["position"])
                assert answer.status_code == 503, answer.text
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)


@contextlib.contextmanager
def running(folder: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[Service]:
    """`forewarn serve` with its data in `folder`; killed in the end if it has not left."""
    port = free_port()
    log = folder / "service.log"
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "forewarn",
                "serve",
                "--port",
                str(port),
                "--data-dir",
                str(folder / "data"),
                *options,
            ],
            stdout=output,
            stderr=output,
            env=os.environ | (environment or {}),
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            yield Service(process, http, log)
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
        if process.poll() is None:
            process.kill()
            process.wait()
