"""A client of Redis, and running the service's scripts on it: what fails becomes one of the service's errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ExecAbortError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from service.errors import LogUnavailable, Overloaded
from service.redis_log.packing import packed
from service.redis_log.scripts import Call

_AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    ClusterDownError,
    MasterDownError,
    TryAgainError,
    OSError,
    asyncio.IncompleteReadError,
)
SOCKET_TIMEOUT_S = 10.0

# What the composition root hands on without knowing Redis itself.
RedisClient = Redis


def build_client(url: str, *, connections: int = 64) -> Redis:
    """A client that answers in bytes and never repeats a command on its own: an append sent twice would be stored
    twice."""
    client: Redis = Redis.from_url(
        url,
        decode_responses=False,
        protocol=2,
        max_connections=connections,
        socket_connect_timeout=5.0,
        socket_timeout=SOCKET_TIMEOUT_S,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
    )
    pool = client.connection_pool
    pool.connection_class = packed(pool.connection_class)
    return client


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turns failures of Redis into LogUnavailable (nobody answers) or Overloaded (its memory is full)."""
    try:
        yield
    except OutOfMemoryError as error:
        raise Overloaded("Redis has reached its maxmemory: nothing was stored", retry_after_s=5) from error
    except _AWAY as error:
        raise LogUnavailable(f"Redis does not answer ({type(error).__name__}: {error})") from error


async def run_script(client: Redis, call: Call) -> Any:
    """The script's answer. Loads it first where Redis does not know it (a new or restarted one)."""
    with redis_errors():
        try:
            return await _evaluate(client, call)
        except NoScriptError:
            await client.script_load(call.script.text)
            return await _evaluate(client, call)


async def run_scripts(client: Redis, calls: Sequence[Call]) -> list[Any]:
    """The answers of independent calls sent in one transaction; an error of Redis to one of them is its answer.

    As a plain pipeline they would be run as they are read, 16 KB at a time, with a sync of the append-only file after
    each: 64 steps of 2 KB cost 8 syncs that way, and one as a transaction, which is queued first (by strace).

    Raises LogUnavailable when the connection fails: which of the calls ran is then unknown.
    """
    if not calls:
        return []
    if len(calls) == 1:
        try:
            return [await run_script(client, calls[0])]
        except Overloaded as error:
            return [error]
    with redis_errors():
        answers = await _pipelined(client, calls)
        lost = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if lost:
            for text in {calls[index].script.text for index in lost}:
                await client.script_load(text)
            for index, answer in zip(lost, await _pipelined(client, [calls[index] for index in lost]), strict=True):
                answers[index] = answer
    return [_named(answer) for answer in answers]


def _named(answer: Any) -> Any:
    if isinstance(answer, RedisError):
        try:
            with redis_errors():
                raise answer
        except (LogUnavailable, Overloaded, RedisError) as error:
            return error
    return answer


async def _evaluate(client: Redis, call: Call) -> Any:
    return await client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.arguments)


async def _pipelined(client: Redis, calls: Sequence[Call]) -> list[Any]:
    try:
        return await _send(client, calls, transaction=True)
    except (OutOfMemoryError, ExecAbortError):
        # A full Redis queues nothing, whatever it is, and nothing was run: each script is asked for itself.
        return await _send(client, calls, transaction=False)


async def _send(client: Redis, calls: Sequence[Call], *, transaction: bool) -> list[Any]:
    async with client.pipeline(transaction=transaction) as pipeline:
        for call in calls:
            pipeline.evalsha(call.script.sha, len(call.keys), *call.keys, *call.arguments)
        return await pipeline.execute(raise_on_error=False)
