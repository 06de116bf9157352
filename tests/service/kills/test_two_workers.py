"""Two worker processes over one Redis: one is killed, or stopped for longer than its lease and continued."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from monitors.bundle import read_monitor_id
from monitors.monitor import Monitor
from service.records import NewStep
from tests.service.conftest import PARTITIONS, Core
from tests.tiny_bundle import TinyBundle

pytestmark = pytest.mark.slow

# A cluster has kills of its own.
KINDS = ("embedded",)

RUNS = 12
TAKE_OVER_S = 10.0


@dataclass
class WorkerProcess:
    """A worker with nobody to start it again."""

    owner: str
    process: subprocess.Popen[bytes]
    log: Path

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def said(self) -> str:
        return self.log.read_text()


@contextlib.contextmanager
def a_worker(owner: str, redis_url: str, tiny: TinyBundle, folder: Path, lease_ms: int) -> Iterator[WorkerProcess]:
    settings = {
        "REDIS_URL": redis_url,
        "BUNDLE": str(tiny.path),
        "OWNER": owner,
        "LEASE_MS": str(lease_ms),
        "PARTITIONS": str(PARTITIONS),
        "DEVICE": "cpu",
        "ROLE": "worker",
    }
    log = folder / f"{owner}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.app", "worker"],
            env=os.environ | {f"FOREWARN_{name}": value for name, value in settings.items()},
            stdout=output,
            stderr=output,
        )
    try:
        yield WorkerProcess(owner, process, log)
    finally:
        process.kill()
        process.wait()


@dataclass
class Pair:
    """Two workers, and runs whose steps they score."""

    core: Core
    tiny: TinyBundle
    workers: list[WorkerProcess]
    sent: int = 0

    async def until(self, holds: Callable[[], Coroutine[Any, Any, bool]], what: str, within_s: float = 60.0) -> None:
        ends = time.monotonic() + within_s
        while not await holds():
            logs = "\n".join(worker.said()[-1500:] for worker in self.workers)
            assert time.monotonic() < ends, f"not {what} in {within_s} s:\n{logs}"
            await asyncio.sleep(0.02)

    async def owners(self) -> Counter[str]:
        names = [await self.core.client.get(self.core.keys[partition].lease) for partition in range(PARTITIONS)]
        return Counter(name.decode() for name in names if name)

    async def until_shared_out(self) -> None:
        async def holds() -> bool:
            return await self.owners() == Counter(w0=PARTITIONS // 2, w1=PARTITIONS // 2)

        await self.until(holds, "shared out")

    async def send(self, count: int) -> None:
        """So many more steps to each run."""
        for number in range(RUNS):
            steps = [NewStep(orjson.dumps(step)) for step in self._steps(number)[self.sent : self.sent + count]]
            await self.core.append(f"r{number}", steps, read_monitor_id(self.tiny.path))
        self.sent += count

    async def until_scored(self) -> None:
        for number in range(RUNS):
            await self.core.until_scored(f"r{number}", self.sent, within_s=60)

    async def check(self) -> None:
        """Every step has the score that the monitor gives it in process, and every alert is there once."""
        opened = 0
        monitor = Monitor.read(self.tiny.path)
        for number in range(RUNS):
            session = monitor.session()
            verdicts = [session.step(step) for step in self._steps(number)[: self.sent]]
            live = await self.core.scores(f"r{number}")
            np.testing.assert_allclose(live, [verdict.score for verdict in verdicts], atol=1e-5, rtol=0)
            opened += sum(verdict.alert is not None for verdict in verdicts)
        assert opened > 0
        alerts = [alert for run in range(RUNS) for alert in await self._alerts(f"r{run}")]
        assert len(alerts) == len(set(alerts)) == opened

    async def everything(self) -> dict[bytes, Any]:
        """All that a worker's commits write and nobody else moves on."""
        found: dict[bytes, Any] = {}
        for key in await self.core.client.keys("{p*"):
            kind = key.split(b":")[1]
            if kind in {b"run", b"scores", b"alerts", b"parked"}:
                found[key] = await self.core.client.dump(key)
            elif kind == b"cursor":
                found[key] = await self.core.client.hget(key, "id")
        assert len(found) >= 2 * RUNS
        return found

    def _steps(self, number: int) -> list[Any]:
        return self.tiny.corpus.runs[number] * 8

    async def _alerts(self, run_id: str) -> list[str]:
        return [alert["id"] for alert in await self.core.reader.read_run_alerts(self.core.ref(run_id))]


@pytest.fixture
def lease_ms(request: pytest.FixtureRequest) -> int:
    """The workers' leases."""
    return int(request.param)


@pytest.fixture
async def pair(core: Core, redis_url: str, tiny: TinyBundle, tmp_path: Path, lease_ms: int) -> AsyncIterator[Pair]:
    """Two workers that share the partitions evenly and have scored something of each run."""
    with (
        a_worker("w0", redis_url, tiny, tmp_path, lease_ms) as first,
        a_worker("w1", redis_url, tiny, tmp_path, lease_ms) as second,
    ):
        pair = Pair(core, tiny, [first, second])
        assert {core.keys.partition_of(core.ref(f"r{number}")) for number in range(RUNS)} == set(range(PARTITIONS))
        await pair.until_shared_out()
        await pair.send(5)
        await pair.until_scored()
        yield pair


@pytest.mark.parametrize("lease_ms", [4000], indirect=True, ids=["default lease"])
async def test_the_other_worker_has_all_partitions_soon_after_one_is_killed(pair: Pair) -> None:
    await pair.send(5)
    pair.workers[0].send(signal.SIGKILL)
    killed = time.monotonic()
    await pair.send(10)

    async def taken_over() -> bool:
        return await pair.owners() == Counter(w1=PARTITIONS)

    await pair.until(taken_over, "taken over", TAKE_OVER_S)
    await pair.until_scored()
    assert time.monotonic() - killed < TAKE_OVER_S
    await pair.check()


@pytest.mark.parametrize("lease_ms", [1000], indirect=True, ids=["short lease"])
async def test_a_worker_stopped_for_longer_than_its_lease_writes_nothing_when_it_goes_on(pair: Pair) -> None:
    for stopped, other in (pair.workers, pair.workers[::-1]):
        await pair.until_shared_out()
        said = len(stopped.said())
        stopped.send(signal.SIGSTOP)
        # These reach the stopped worker too: Redis answers the read that it was waiting in.
        await pair.send(15)
        await pair.until_scored()
        assert await pair.owners() == Counter({other.owner: PARTITIONS})
        before = await pair.everything()
        stopped.send(signal.SIGCONT)

        async def noticed(stopped: WorkerProcess = stopped, said: int = said) -> bool:
            return "belongs to another worker now" in stopped.said()[said:]

        await pair.until(noticed, "noticed")
        await pair.until_shared_out()
        assert await pair.everything() == before
    await pair.send(5)
    await pair.until_scored()
    await pair.check()
