"""A client of Redis that fails at a chosen point between two commands: for tests of what a worker leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError

from service.redis_log.client import RedisClient

Kind = Literal["dies", "answer is lost"]


class Faults:
    """One fault, once so many commands have reached Redis, the ones inside a pipeline counted one by one.

    `dies`: nothing of the caller goes on from there, as after SIGKILL. `answer is lost`: the caller is told that the
    connection broke, although the commands so far have run, and goes on. `where` says which call it is, from when it
    is made; `met` is set once the fault has happened.
    """

    def __init__(self, kind: Kind, after: int) -> None:
        self.kind = kind
        self.after = after
        self.sent = 0
        self.met = asyncio.Event()
        self.where = ""

    async def call(self, commands: list[str], send: Callable[[int], Awaitable[Any]]) -> Any:
        """Run `send(number of commands)`, or as many of them as the fault lets through."""
        if self.kind == "dies" and self.met.is_set():
            await asyncio.Event().wait()
        first, self.sent = self.sent, self.sent + len(commands)
        through = self.after - first
        hit = 0 <= through < len(commands) if self.kind == "dies" else 0 < through <= len(commands)
        if not hit:
            return await send(len(commands))
        self.where = f"after {through} of {commands}"
        if through:
            await send(through)
        self.met.set()
        if self.kind == "dies":
            await asyncio.Event().wait()
        raise RedisConnectionError("the answer was lost")


class FaultyRedis(RedisClient):
    """A client with a fault. Shares the connections of `plain`."""

    def __init__(self, plain: RedisClient, faults: Faults) -> None:
        super().__init__(connection_pool=plain.connection_pool)
        self.faults = faults

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """See redis-py."""
        plain = super().execute_command
        return await self.faults.call([str(args[0])], lambda _: plain(*args, **options))

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> FaultyPipeline:
        """See redis-py."""
        return FaultyPipeline(self, transaction, shard_hint)


class FaultyPipeline(Pipeline):
    """A pipeline of which the fault may let only the first commands through. A transaction is one command: no part of
    it runs without the rest."""

    def __init__(self, client: FaultyRedis, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._faults = client.faults

    async def execute(self, raise_on_error: bool = True) -> Any:
        """See redis-py."""
        stack = list(self.command_stack)
        names = [str(args[0]) for args, _ in stack]

        async def send(count: int) -> Any:
            self.command_stack = stack if self.is_transaction else stack[:count]
            return await super(FaultyPipeline, self).execute(raise_on_error)

        return await self._faults.call([" ".join(["MULTI", *names])] if self.is_transaction else names, send)
