"""The load: `wrk`, one thread, with a Lua script that plays runs. Its own processor time is measured."""

from __future__ import annotations

import math
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import orjson

SCRIPT = Path(__file__).parent / "lua" / "steps.lua"
# Live at once: enough that a batch of a worker is wide, whatever the number of partitions.
LIVE_RUNS = 512
STEPS_A_REQUEST = 32


class LoadError(Exception):
    """The load could not be made."""


@dataclass(frozen=True, slots=True)
class Load:
    """One run of wrk. `mode` is single, ndjson or echo; `rate` is requests per second, 0 for a closed loop."""

    mode: str
    seconds: float
    connections: int
    rate: float = 0.0
    live_runs: int = LIVE_RUNS

    @property
    def steps_a_request(self) -> int:
        """Steps that each request carries."""
        return STEPS_A_REQUEST if self.mode == "ndjson" else 1


@dataclass(slots=True)
class LoadResult:
    """What wrk saw: requests that were answered, of those the ones that were refused (4xx, 5xx), and broken
    connections."""

    requests: int = 0
    seconds: float = 0.0
    refused: int = 0
    broken: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_s: float = 0.0
    """Processor seconds of wrk itself."""

    @property
    def answered_per_s(self) -> float:
        """Requests answered 2xx, per second."""
        return (self.requests - self.refused) / self.seconds if self.seconds else 0.0


class RunningLoad:
    """A load under way. `wait` ends it: with its result, or with LoadError."""

    def __init__(self, load: Load, url: str, scripts: Path, name: str, key: str = "") -> None:
        """`key` goes with every request, where there is one."""
        wrk = shutil.which("wrk")
        if wrk is None:
            raise LoadError("the load comes from wrk, which is not installed: apt-get install wrk")
        seconds = max(1, math.ceil(load.seconds))
        command = [wrk, "-t1", f"-c{load.connections}", f"-d{seconds}", "--timeout", "30", "-s", str(SCRIPT), url, "--"]
        command += [
            load.mode,
            str(scripts),
            name,
            str(load.live_runs),
            str(load.steps_a_request),
            f"{load.rate:.6g}",
            key,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603
        self._limit_s = seconds + 40

    def wait(self) -> LoadResult:
        """The result, once it is over."""
        assert self._process.stdout is not None
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            output, _ = self._process.communicate(timeout=self._limit_s)
        finally:
            self.stop()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            seen = orjson.loads(output.splitlines()[-1])
        except (IndexError, orjson.JSONDecodeError):
            raise LoadError(f"wrk ended with status {self._process.returncode}: {output.decode()[-500:]}") from None
        return LoadResult(
            requests=seen["requests"],
            seconds=seen["duration_us"] / 1e6,
            refused=seen["refused"],
            broken=seen["broken"],
            p50_ms=seen["p50_us"] / 1e3,
            p99_ms=seen["p99_us"] / 1e3,
            cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        )

    def stop(self) -> None:
        """End it, if it is not over."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def run_load(load: Load, url: str, scripts: Path, name: str) -> LoadResult:
    """Make the load from beginning to end."""
    return RunningLoad(load, url, scripts, name).wait()
