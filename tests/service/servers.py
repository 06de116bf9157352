"""Redis servers for tests, of every kind that the service must work on, on the loopback address alone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import RedisError

from service.redis_log.embedded import EmbeddedRedis, find_server
from tests.ports import free_port

KINDS = ("embedded", "single", "cluster")
SLOTS = 16384


@dataclass
class Server:
    """A redis-server on a TCP port, with an append-only file as durable as the embedded one's."""

    folder: Path
    port: int
    options: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "", "logfile": "redis.log"}
        options |= {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
        arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        self.process = subprocess.Popen(
            [str(find_server()), *arguments, *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def ask(self, *command: Any) -> Any:
        with redis.Redis(port=self.port, decode_responses=True, socket_timeout=5) as client:
            return client.execute_command(*command)

    def until(self, holds: Any, what: str, within_s: float = 30.0) -> None:
        deadline = time.monotonic() + within_s
        while True:
            with suppress(RedisError, OSError):
                if holds(self):
                    return
            assert self.process is None or self.process.poll() is None, (self.folder / "redis.log").read_text()[-2000:]
            assert time.monotonic() < deadline, f"{self.url} is not {what} after {within_s} s"
            time.sleep(0.02)


@dataclass
class Cluster:
    """Masters with equal shares of the slots, each with so many replicas."""

    masters: list[Server]
    replicas: list[Server] = field(default_factory=list)

    @property
    def servers(self) -> list[Server]:
        return [*self.masters, *self.replicas]

    @property
    def url(self) -> str:
        """Any node's URL is the cluster's."""
        return self.masters[0].url

    def form(self) -> None:
        """Share out the slots and make the nodes known to one another."""
        count = len(self.masters)
        for index, server in enumerate(self.masters):
            share = range(SLOTS * index // count, SLOTS * (index + 1) // count)
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            server.ask("CLUSTER", "ADDSLOTS", *share)
        for server in self.servers[1:]:
            server.ask("CLUSTER", "MEET", "127.0.0.1", self.masters[0].port)
        for server in self.servers:
            server.until(lambda one: f"cluster_known_nodes:{len(self.servers)}" in info(one), "known to all")
        for index, server in enumerate(self.replicas):
            server.ask("CLUSTER", "REPLICATE", self.masters[index % count].ask("CLUSTER", "MYID"))
        for server in self.servers:
            server.until(lambda one: "cluster_state:ok" in info(one), "part of a whole cluster")
        for server in self.replicas:
            server.until(lambda one: one.ask("INFO", "replication")["master_link_status"] == "up", "a replica in step")


def info(server: Server) -> str:
    return str(server.ask("CLUSTER", "INFO"))


@contextmanager
def running_single(folder: Path) -> Iterator[Server]:
    """One Redis."""
    server = Server(folder, free_port())
    with stopped_in_the_end([server]):
        server.until(lambda one: one.ask("PING"), "up")
        yield server


@contextmanager
def running_cluster(folder: Path, *, replicas: int = 0, node_timeout_ms: int = 15_000) -> Iterator[Cluster]:
    """Three masters, each with so many replicas."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(node_timeout_ms))
    servers = [Server(folder / str(index), free_port(), options) for index in range(3 + 3 * replicas)]
    with stopped_in_the_end(servers):
        for server in servers:
            server.until(lambda one: one.ask("PING"), "up")
        cluster = Cluster(servers[:3], servers[3:])
        cluster.form()
        yield cluster


@contextmanager
def stopped_in_the_end(servers: Sequence[Server]) -> Iterator[None]:
    with ExitStack() as stack:
        for server in servers:
            server.start()
            stack.callback(server.stop)
        yield


@contextmanager
def running(kind: str, folder: Path) -> Iterator[str]:
    """A Redis of this kind; its URL."""
    if kind == "embedded":
        embedded = EmbeddedRedis(find_server(), folder)
        process = embedded.start()
        try:
            embedded.wait_until_ready(process)
            yield embedded.url
        finally:
            process.terminate()
            process.wait(10)
    else:
        with running_single(folder) if kind == "single" else running_cluster(folder) as server:
            yield server.url
