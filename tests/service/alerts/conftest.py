"""A real Redis, a real receiver on the loopback address, and alerts put into the outbox as the worker's commit
script does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.alerts.delivery import DeliveryLoop
from service.alerts.keys import OUTBOX_FIELD, outbox_key
from service.alerts.policy import DeliveryPolicy
from service.alerts.registry import WebhookRegistry
from service.alerts.store import DeliveryStore
from service.alerts.targets import TargetGuard
from service.alerts.webhook import Webhook
from service.redis_log.connection import RedisClient, build_client

PARTITIONS = 4


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisClient]:
    """A client of an empty Redis."""
    client = build_client(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@dataclass(frozen=True)
class Request:
    """What a receiver got. Header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    peer: str

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """A webhook's other end. `script` gives the answers in turn, the last one for good; a number is a status alone."""

    port: int = 0
    script: list[Any] = field(default_factory=lambda: [204])
    requests: list[Request] = field(default_factory=list)
    delay_s: float = 0.0
    open_now: int = 0
    most_open: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    async def wait_for(self, count: int, timeout_s: float = 10.0) -> list[Request]:
        async with asyncio.timeout(timeout_s), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the sender is gone, or the test is over
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        peer = writer.get_extra_info("sockname")[0]
        answer = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(Request(head[0].split(" ")[1], headers, body, time.monotonic(), peer))
        async with self.arrived:
            self.arrived.notify_all()
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.open_now -= 1
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
            return False
        status, extra = answer if isinstance(answer, tuple) else (answer, {})
        lines = [f"HTTP/1.1 {status} x", "content-length: 0", *(f"{name}: {value}" for name, value in extra.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
        return True


@asynccontextmanager
async def run_receiver(**settings: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**settings)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()


@pytest.fixture
def receiving() -> Callable[..., AbstractAsyncContextManager[Receiver]]:
    """Starts receivers: `async with receiving(script=[500, 204]) as receiver`."""
    return run_receiver


@pytest.fixture
def policy() -> DeliveryPolicy:
    """The defaults, but fast enough for a test."""
    return DeliveryPolicy(first_delay_ms=40, longest_delay_ms=400, timeout_ms=800, claim_margin_ms=200)


@pytest.fixture
def registry(redis: RedisClient) -> WebhookRegistry:
    """A registry that lets webhooks reach this machine."""
    return WebhookRegistry(redis, TargetGuard(True))


@pytest.fixture
def store(redis: RedisClient, policy: DeliveryPolicy) -> DeliveryStore:
    """The deliveries in the test's Redis."""
    return DeliveryStore(redis, policy)


class Delivering:
    """Runs a `DeliveryLoop` over all partitions while the block lasts; `owned` may be changed meanwhile."""

    def __init__(self, redis: RedisClient, policy: DeliveryPolicy) -> None:
        self._redis = redis
        self._policy = policy

    @asynccontextmanager
    async def __call__(self, **settings: Any) -> AsyncIterator[set[int]]:
        owned = set(range(PARTITIONS))
        stop = asyncio.Event()
        chosen: dict[str, Any] = {"allow_private": True, "policy": self._policy, "drain_s": 0.5, **settings}
        loop = DeliveryLoop(self._redis, lambda: set(owned), **chosen)
        running = asyncio.create_task(loop.run(stop))
        try:
            yield owned
        finally:
            stop.set()
            await running


@pytest.fixture
def delivering(redis: RedisClient, policy: DeliveryPolicy) -> Delivering:
    """Runs delivery: `async with delivering() as owned`."""
    return Delivering(redis, policy)


@pytest.fixture
def open_alert(redis: RedisClient) -> Callable[..., Awaitable[str]]:
    """Puts an alert into an outbox; returns its id."""
    made = 0

    async def add(partition: int = 0, *, project: str = "default", **fields: Any) -> str:
        nonlocal made
        made += 1
        alert = {
            "id": f"alert_{made}",
            "type": "run.alert",
            "project": project,
            "run_id": f"run-{made}",
            "episode": 1,
            "position": 7,
            "turn": 3,
            "risk": 0.8,
            "risk_before": 0.2,
            "failure_probability": 0.9,
            "score": 2.5,
            "threshold": 1.5,
            "monitor_id": "m-000000000000",
            "agent": "desk",
            "task": None,
            "tags": {},
            "created_ms": int(time.time() * 1000),
            **fields,
        }
        await redis.xadd(outbox_key(partition), {OUTBOX_FIELD: json.dumps(alert)})
        return str(alert["id"])

    return add


async def _settled(store: DeliveryStore, webhook: Webhook, state: str, count: int) -> list[Any]:
    async with asyncio.timeout(10):
        while True:
            found = [one for one in await store.deliveries_of(webhook.id, PARTITIONS) if one.state == state]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.01)


@pytest.fixture
def settled(store: DeliveryStore) -> Callable[..., Awaitable[list[Any]]]:
    """Waits until a webhook has so many deliveries in a state, and returns them."""

    async def wait(webhook: Webhook, state: str = "delivered", count: int = 1) -> list[Any]:
        return await _settled(store, webhook, state, count)

    return wait


async def disabled(registry: WebhookRegistry, webhook: Webhook) -> Webhook:
    """Waits until the webhook is disabled, which follows the recording of its last attempt."""
    async with asyncio.timeout(10):
        while True:
            now = await registry.get(webhook.project, webhook.id)
            if now.disabled is not None:
                return now
            await asyncio.sleep(0.01)
