"""A real Redis for the session, and the service's parts over it, emptied for each test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from service.app.worker import to_memory
from service.core.evaluations import EvaluationSink
from service.core.privacy.keeping import keeps_all
from service.core.projects import ProjectBook
from service.core.scoring import IsControl, no_control
from service.ports import LiveMonitor, StepArchive
from service.records import Appended, NewStep, Registration, RunRef, StepGroup
from service.redis_log.connection import RedisClient, build_client, find_cluster
from service.redis_log.ingest import RedisStepLog
from service.redis_log.keys import KeySpace
from service.redis_log.monitors import RedisMonitorRegister
from service.redis_log.partitions import RedisPartitionLog
from service.redis_log.projects import RedisProjectStore
from service.redis_log.runs import RedisRunReader
from service.telemetry import WorkerMetrics
from service.worker.archiving import Archiver
from service.worker.leases import LeaseKeeper
from service.worker.loop import ScoringLoop
from service.worker.shelf import LoadedMonitors
from service.worker.stocking import Stocking
from tests.service.fakes import FakeMonitor
from tests.service.servers import KINDS, running

PARTITIONS = 4
LEASE_MS = 800


# One Redis on a port differs from the embedded one in its socket alone: these modules are enough to show that.
ON_EVERY_KIND = ("test_step_log",)
# Routes over parts that have tests of their own on a cluster: unless asked for, not worth 75 s of the suite.
ON_THE_EMBEDDED_ONE = (
    "test_api",
    "test_evaluations_out",
    "test_event_streams",
    "test_keys",
    "test_monitor_routes",
    "test_no_content",
    "test_otlp",
    "test_scopes",
    "test_keeper",
    "test_tenant_commands",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What needs a Redis runs once on each kind: by the option --redis, else on those that are worth their time. A
    module may name its KINDS."""
    if "redis_kind" in metafunc.fixturenames:
        fit = getattr(metafunc.module, "KINDS", KINDS)
        asked = metafunc.config.getoption("redis")
        if not asked:
            module = metafunc.module.__name__.rpartition(".")[2]
            slow = "embedded" in fit and metafunc.definition.get_closest_marker("slow")
            if slow or module in ON_THE_EMBEDDED_ONE:
                asked = ("embedded",)
            else:
                asked = KINDS if module in ON_EVERY_KIND else ("embedded", "cluster")
        metafunc.parametrize("redis_kind", [kind for kind in fit if kind in asked], scope="session")


@pytest.fixture(scope="session")
def redis_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The URL of a Redis of a kind, which the first to ask starts, and which is there until the session ends."""
    with contextlib.ExitStack() as stack:

        @cache
        def start(kind: str) -> str:
            url = stack.enter_context(running(kind, tmp_path_factory.mktemp(kind)))
            return asyncio.run(find_cluster(url))

        yield start


@pytest.fixture(scope="session")
def redis_url(redis_kind: str, redis_of: Callable[[str], str]) -> str:
    """A Redis of the kind: as the service embeds it, one on a port, or a cluster of three masters."""
    return redis_of(redis_kind)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[RedisClient]:
    """A client of an empty Redis."""
    client = build_client(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@dataclass
class Core:
    """The log's parts over one client, and a worker to run in the test's own loop."""

    client: RedisClient
    keys: KeySpace
    log: RedisStepLog
    partitions: RedisPartitionLog
    reader: RedisRunReader
    read: Callable[[str], LiveMonitor] = FakeMonitor
    """The monitor that a worker finds under this id."""
    archived: bool = False
    """Whether what is scored stays in the log until an archiver trims it."""

    def ref(self, run_id: str) -> RunRef:
        return RunRef("default", run_id)

    async def post(self, run_id: str, *raw_steps: bytes, ids: list[str] | None = None) -> list[int]:
        """Append steps as given; their positions."""
        names = ids or [""] * len(raw_steps)
        steps = [NewStep(data, name) for data, name in zip(raw_steps, names, strict=True)]
        return [one.position for one in await self.append(run_id, steps) if one.position is not None]

    async def append(
        self, run_id: str, steps: Sequence[NewStep], monitor_id: str = "m-fake", shadow_id: str = "", **by_agent: str
    ) -> list[Appended]:
        """Append steps of one run; raises the first refusal."""
        group = StepGroup(self.ref(run_id), tuple(steps), monitor_id, shadow_id, by_agent)
        (answers,) = await self.log.append([group])
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [answer for answer in answers if isinstance(answer, Appended)]

    async def scores(self, run_id: str, count: int = 1000) -> list[float]:
        """The committed scores of a run, in order."""
        return [one.score for one in await self.reader.read_scores(self.ref(run_id), 0, count) if one is not None]

    async def until_scored(self, run_id: str, steps: int, within_s: float = 10.0) -> None:
        """Wait until so many steps are scored or parked."""
        async with asyncio.timeout(within_s):
            while True:
                record = await self.reader.read_run(self.ref(run_id))
                if record is not None and record.summary.steps >= steps:
                    return
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def working(
        self,
        owner: str = "w1",
        monitor: LiveMonitor | None = None,
        lease_ms: int = LEASE_MS,
        log: Callable[[RedisPartitionLog], Any] = lambda plain: plain,
        crash: bool = False,
        archive: StepArchive | None = None,
        is_control: IsControl = no_control,
        keeps_content: Callable[[str], bool] = keeps_all,
        evaluations: EvaluationSink | None = None,
        book: ProjectBook | None = None,
    ) -> AsyncIterator[LeaseKeeper]:
        """A worker; it drains when the block ends, or just vanishes with its leases unreleased if it is to `crash`.
        Steps stay in the log unless it archives, or `archived` says that another does. With a `book` it loads what is
        chosen there or asked for."""
        partition_log = log(RedisPartitionLog(self.client, self.keys, lease_ms, archived=self.archived))

        async def folder(monitor_id: str) -> str | None:
            found = await RedisMonitorRegister(self.client, self.keys).find(monitor_id)
            return found and found.folder

        shelf = LoadedMonitors(lambda folder: self.read(folder.name), folder)
        shelf.put(monitor or FakeMonitor(), active=True)

        def report_soon() -> None:
            leases.nudge()

        register = RedisMonitorRegister(self.client, self.keys)
        stocking = Stocking(shelf, register, book or ProjectBook(RedisProjectStore(self.client)), report_soon)
        leases = LeaseKeeper(
            partition_log,
            owner,
            self.keys.count,
            lease_ms,
            lambda: (shelf.ids, "cpu"),
            lambda: (shelf.refused, stocking.tried),
        )
        metrics = WorkerMetrics(CollectorRegistry())
        archiver = None if archive is None else Archiver(partition_log, archive, leases.held.values, metrics)
        loop = ScoringLoop(
            partition_log,
            leases,
            shelf,
            metrics,
            lambda progress: to_memory(progress, shelf),
            None if archiver is None else archiver.scored,
            is_control=is_control,
            keeps_content=keeps_content,
            evaluations=evaluations,
        )
        stop, scored = asyncio.Event(), asyncio.Event()
        keeping, scoring = asyncio.create_task(leases.run(stop)), asyncio.create_task(loop.run(stop))
        archiving = asyncio.create_task(archiver.run(scored)) if archiver else None
        looking = asyncio.create_task(stocking.run(stop)) if book else None
        try:
            yield leases
        finally:
            if crash:
                pending = {keeping, scoring, *(task for task in (archiving, looking) if task)}
                while pending:
                    # Again and again: Python 3.11 may lose a cancellation that meets the end of a write
                    # (asyncio.wait_for).
                    for task in pending:
                        task.cancel()
                    _, pending = await asyncio.wait(pending, timeout=0.1)
            else:
                stop.set()
                leases.nudge()
                await scoring
                scored.set()
                await asyncio.gather(keeping, *(task for task in (archiving, looking) if task))
                with contextlib.suppress(Exception):
                    await leases.release_all()

    async def register(self, monitor_id: str) -> None:
        """Register a monitor that workers find by its id."""
        register = RedisMonitorRegister(self.client, self.keys)
        await register.put(Registration(monitor_id, f"/somewhere/{monitor_id}"))


Working = Callable[..., AbstractAsyncContextManager[LeaseKeeper]]


def build_core(client: RedisClient) -> Core:
    """The log's parts over a client."""
    keys = KeySpace(PARTITIONS)
    return Core(
        client,
        keys,
        RedisStepLog(client, keys),
        RedisPartitionLog(client, keys, LEASE_MS),
        RedisRunReader(client, keys),
    )


@pytest.fixture
async def core(client: RedisClient) -> Core:
    """The log over an empty Redis."""
    return build_core(client)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's tree."""
    return Path(__file__).resolve().parents[2]
