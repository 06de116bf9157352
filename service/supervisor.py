"""One small parent for Redis, API and workers: starts them, starts again what dies, stops all in order.

It holds no state worth keeping: whatever is killed, itself included, what was answered 2xx is in Redis's append-only
file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from service.errors import FatalError, TransientError
from service.listening import await_port
from service.processes import EXIT_FATAL, PARENT_PIPE, dies_with_parent
from service.redis_log.checks import check_redis
from service.redis_log.connection import build_client, find_cluster
from service.redis_log.embedded import EmbeddedRedis, claimed, find_server
from service.redis_log.schema import settle_schema
from service.settings import PREFIX, Settings, worker_names
from service.telemetry import MULTIPROC

log = logging.getLogger(__name__)

# A child that lived so long is started again at once; one that dies sooner waits, longer each time.
STEADY_S = 10.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
# A worker finishes its batch and its deliveries, an API its requests, before they are killed.
STOP_S = 20.0


@dataclass(slots=True)
class Child:
    """A process that is kept running. `start` starts it."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restart_at: float = 0.0
    deaths: int = 0

    def launch(self) -> None:
        """Start it now."""
        self.process = self.start()
        self.started = time.monotonic()

    def note_death(self, now: float) -> float:
        """Count a death; the pause before the next start, seconds."""
        self.deaths = 0 if now - self.started > STEADY_S else self.deaths + 1
        pause_s = 0.0 if self.deaths == 0 else min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (self.deaths - 1))
        self.restart_at = now + pause_s
        return pause_s


@dataclass(slots=True)
class Supervisor:
    """Keeps children running until `stop` is called, then stops them in reverse order of their start."""

    metrics: Path
    """The folder of the children's metrics files."""
    children: list[Child] = field(default_factory=list)
    stopping: bool = False

    def run(self) -> None:
        """Watch until stopped. Raises FatalError when a child says that starting it again would not help."""
        try:
            for child in self.children:
                if child.process is None:
                    child.launch()
            while not self.stopping:
                self.look(time.monotonic())
                time.sleep(0.05)
        finally:
            self.stop_children()

    def look(self, now: float) -> None:
        """One look at every child: note the dead, start those whose pause is over."""
        for child in self.children:
            if child.process is not None and (status := child.process.poll()) is not None:
                if status == EXIT_FATAL:
                    raise FatalError(f"{child.name} cannot work: its last line says why")
                mark_process_dead(child.process.pid, str(self.metrics))  # type: ignore[no-untyped-call]
                child.process = None
                pause_s = child.note_death(now)
                log.warning("%s has left with status %d and is started again in %.1f s", child.name, status, pause_s)
            if child.process is None and now >= child.restart_at:
                child.launch()

    def stop(self, *_: object) -> None:
        """Stop soon; fit to be a signal handler."""
        self.stopping = True

    def stop_children(self) -> None:
        """Stop all, the last started first and Redis last; whoever does not leave in time is killed."""
        redis = [child for child in self.children if child.name == "redis"]
        others = [child for child in self.children if child.name != "redis"]
        for group in (others, redis):
            alive = [child.process for child in group if child.process is not None and child.process.poll() is None]
            for process in alive:
                process.terminate()
            deadline = time.monotonic() + STOP_S
            for process in alive:
                try:
                    process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    log.warning("process %d did not leave in %.0f s and is killed", process.pid, STOP_S)
                    process.kill()
                    process.wait()


def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT. Raises FatalError for what needs somebody to act."""
    if settings.role != "worker":
        # Workers go on without a place to tell of their health.
        await_port(settings.wanted_host, settings.port)
    with contextlib.ExitStack() as stack:
        metrics = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="forewarn-metrics-", ignore_cleanup_errors=True))
        )
        supervisor = Supervisor(metrics)
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, supervisor.stop))
        parent_end = stack.enter_context(_parent_pipe())
        redis_url, owner = settings.redis_url, f"{os.uname().nodename}-{os.getpid()}"
        if redis_url is None:
            stack.enter_context(claimed(settings.folder))
            stack.callback(supervisor.stop_children)
            redis_url = _start_redis(settings, supervisor)
            # The lock on the folder means that nobody else can be this owner: a restarted worker takes its own leases
            # at once.
            owner = "embedded"
        redis_url, partitions = _settle(settings, redis_url, supervisor)
        environment = child_environment(settings, redis_url, partitions, metrics)
        supervisor.children += build_children(settings, environment, owner, parent_end)
        supervisor.run()


def _start_redis(settings: Settings, supervisor: Supervisor) -> str:
    embedded = EmbeddedRedis(find_server(), settings.folder / "redis", settings.appendfsync)
    child = Child("redis", embedded.start)
    supervisor.children.append(child)
    child.launch()
    assert child.process is not None
    embedded.wait_until_ready(child.process)
    log.info("%s keeps its data in %s (appendfsync %s)", embedded.server, embedded.folder, settings.appendfsync)
    return embedded.url


def _settle(settings: Settings, redis_url: str, supervisor: Supervisor) -> tuple[str, int]:
    """The URL to use, which says whether it is a cluster's, and the partitions that hold. Waits for a Redis that does
    not answer yet; what is wrong with one that does is said before anything starts."""

    async def settle() -> tuple[str, int]:
        url = await find_cluster(redis_url)
        client = build_client(url)
        try:
            fitness = await check_redis(client)
            log.info(
                "Redis %s, %d master(s): %s, maxmemory-policy %s",
                *(fitness.version, fitness.masters, fitness.persistence, fitness.eviction),
            )
            return url, await settle_schema(client, settings.partition_count, insist=settings.partitions is not None)
        finally:
            await client.aclose()

    while not supervisor.stopping:
        try:
            return asyncio.run(settle())
        except TransientError as error:
            log.warning("waiting for Redis (--redis-url, FOREWARN_REDIS_URL): %s", error)
            time.sleep(1.0)
    return redis_url, settings.partition_count


def build_children(settings: Settings, environment: dict[str, str], owner: str, parent_end: int) -> list[Child]:
    """The processes that the role asks for: something that answers over HTTP, and workers."""
    # What answers for workers alone must know whose health it tells.
    kinds = [("ops", "ops", owner)] if settings.role == "worker" else [("api", "api", "")]
    if settings.role != "api":
        kinds += [("worker", name, name) for name in worker_names(owner, settings.workers)]

    def start(kind: str, who: str) -> subprocess.Popen[bytes]:
        own = {PARENT_PIPE: str(parent_end)} | ({f"{PREFIX}OWNER": who} if who else {})
        return subprocess.Popen(  # noqa: S603 - this very Python, with this very service
            [sys.executable, "-m", "service.app", kind],
            env=environment | own,
            stdin=subprocess.DEVNULL,
            pass_fds=(parent_end,),
            preexec_fn=dies_with_parent,  # noqa: PLW1509 - one system call, no locks
            start_new_session=True,
        )

    return [Child(name, lambda kind=kind, who=who: start(kind, who)) for kind, name, who in kinds]  # type: ignore[misc]


def child_environment(settings: Settings, redis_url: str, partitions: int, metrics: Path) -> dict[str, str]:
    """The children's environment: this one's, with the settings as they were resolved, and a folder for metrics."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # Children must find this very tree, wherever it was imported from.
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, inherited.get("PYTHONPATH", ""))))
    resolved = {
        "REDIS_URL": redis_url,
        "PARTITIONS": str(partitions),
        "ARCHIVE_DIR": str(settings.archive_folder or "none"),
    }
    own = settings.to_environment() | {PREFIX + name: value for name, value in resolved.items()}
    return inherited | own | {"PYTHONPATH": path, MULTIPROC: str(metrics)}


@contextlib.contextmanager
def _parent_pipe() -> Iterator[int]:
    """A descriptor for children to read: it ends when this process does, however it does."""
    read_end, write_end = os.pipe()
    try:
        yield read_end
    finally:
        for end in (read_end, write_end):
            os.close(end)
