"""The service under measurement: `forewarn serve` as users start it, on loopback, with a Redis of its own."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from redis import Redis

from scripts.bench.bundle import ROOT
from scripts.bench.processes import children, command_line, cpu_seconds, rss_mb
from service.redis_log.embedded import EmbeddedRedis, find_server
from service.settings import EMBEDDED_PARTITIONS

START_S = 60.0
STOP_S = 30.0


class ServiceError(Exception):
    """The service did not start, died, or did not keep up within the time."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the service's own counters say at one moment. `backlog` is steps stored and not scored yet."""

    at: float
    accepted: float
    scored: float
    backlog: float


@dataclass(slots=True)
class Service:
    """A running service and its processes by kind: api, worker, redis."""

    url: str
    redis_url: str
    pids: dict[str, int]
    log: Path
    http: httpx.Client
    redis: Redis
    key: str = ""
    """The API key that loads and probes send; "" for none."""

    def metrics(self) -> str:
        """The text of /metrics."""
        return self.http.get("/metrics").text

    def counts(self) -> Counts:
        """Steps accepted, scored and waiting, now."""
        at, text = time.monotonic(), self.metrics()
        accepted, scored = (total(text, f"forewarn_steps_{name}_total") for name in ("accepted", "scored"))
        return Counts(at, accepted, scored, total(text, "forewarn_backlog_steps"))

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far, by kind of process."""
        return {kind: cpu_seconds(pid) for kind, pid in self.pids.items()}

    def rss_mb(self) -> dict[str, float]:
        """Memory held, by kind of process."""
        return {kind: rss_mb(pid) for kind, pid in self.pids.items()}

    def until_drained(self, within_s: float = 60.0) -> float:
        """Wait until every step is scored; how long that took. Raises ServiceError."""
        began = time.monotonic()
        while self.counts().backlog > 0:
            if time.monotonic() - began > within_s:
                raise ServiceError(f"steps still wait to be scored after {within_s:.0f} s")
            time.sleep(0.05)
        return time.monotonic() - began


def total(text: str, name: str) -> float:
    """A metric's sum over its labels."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(rf"{name}[{{ ]", line))


@contextmanager
def serving(
    bundle: Path, folder: Path, *, role: str = "all", command: list[str] | None = None, settings: dict[str, str]
) -> Iterator[Service]:
    """Start the service with its data in `folder`, and stop it in the end.

    Role `all` starts its own Redis; for `api` one is started in the same way beside it. `command` runs something else
    in place of `forewarn serve`, in the same surroundings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    environment |= {"PYTHONPATH": str(ROOT), "FOREWARN_BUNDLE": str(bundle), "FOREWARN_PORT": str(port)} | settings
    embedded = EmbeddedRedis(find_server(), folder / "data" / "redis")
    log = folder / "serve.log"
    pids: dict[str, int] = {}
    with ExitStack() as stack:
        if role == "all":
            environment["FOREWARN_DATA_DIR"] = str(folder / "data")
        else:
            redis_process = embedded.start()
            stack.callback(_stop, redis_process)
            embedded.wait_until_ready(redis_process)
            pids["redis"] = redis_process.pid
            environment |= {
                "FOREWARN_ROLE": role,
                "FOREWARN_REDIS_URL": embedded.url,
                "FOREWARN_PARTITIONS": str(EMBEDDED_PARTITIONS),
            }
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command
                command or [sys.executable, "-m", "forewarn", "serve"],
                stdout=output,
                stderr=output,
                env=environment,
                cwd=ROOT,
            )
        stack.callback(_stop, process)
        http = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
        _until(lambda: _answers(http, "/readyz" if role == "all" else "/livez"), process, log)
        pids |= _find(process.pid)
        if command is not None:
            pids["api"] = process.pid
        redis = stack.enter_context(Redis.from_url(embedded.url))
        yield Service(f"http://127.0.0.1:{port}", embedded.url, pids, log, http, redis)


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(http: httpx.Client, path: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return http.get(path).status_code == 200
    return False


def _until(holds: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not holds():
        if process.poll() is not None or time.monotonic() > deadline:
            last = " | ".join(log.read_text("utf-8", "replace").splitlines()[-3:])
            raise ServiceError(f"the service did not start: {last}")
        time.sleep(0.05)


def _find(supervisor: int) -> dict[str, int]:
    """The supervisor's children by kind; of several workers the first."""
    found: dict[str, int] = {}
    for pid in children(supervisor):
        line = command_line(pid)
        kind = "redis" if "redis.sock" in line else line.rpartition(" ")[2]
        if kind in {"redis", "api", "worker"}:
            found.setdefault(kind, pid)
    return found


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
