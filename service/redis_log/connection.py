"""Connecting to Redis, and running the service's scripts on it: what fails becomes one of the service's errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from service.errors import LogUnavailable, Overloaded, SettingsError
from service.redis_log.client import Command, RedisClient
from service.redis_log.cluster import ClusterClient
from service.redis_log.packing import packed
from service.redis_log.scripts import Call, join

__all__ = ["RedisClient", "build_client", "find_cluster", "redis_errors", "run_script", "run_scripts"]

_AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    ClusterError,
    RedisClusterException,
    MasterDownError,
    TryAgainError,
    AskError,
    OSError,
    asyncio.IncompleteReadError,
)
SOCKET_TIMEOUT_S = 10.0
CLUSTER = "+cluster"
# Beyond what a process needs anyway: one read is held in flight for each stream of each partition that it owns.
HELD_CONNECTIONS = 2048


def build_client(url: str, *, connections: int = 64, wait_replicas: int = 0) -> RedisClient:
    """A client that answers in bytes and never repeats a command on its own: an append sent twice would be stored
    twice. Of a cluster for `redis+cluster://` and `rediss+cluster://`, whose URL may name several nodes with commas
    between; `find_cluster` makes it of any node's. Connects when first used.

    `wait_replicas`: how many replicas a durable write must have reached before it is answered.
    """
    common: dict[str, Any] = {
        "decode_responses": False,
        "protocol": 2,
        "socket_connect_timeout": 5.0,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
    }
    client: RedisClient
    if CLUSTER in urlsplit(url).scheme:
        first, nodes = _parse_cluster(url)
        try:
            # The library gives its two clients no common type; a cluster has every method that the service calls.
            client = cast(
                RedisClient,
                ClusterClient.from_url(
                    first,
                    startup_nodes=[ClusterNode(host, port) for host, port in nodes],
                    # The nodes of the URL stay the way in: a name outlives the addresses behind it.
                    dynamic_startup_nodes=False,
                    # Slots without a master concern their own keys only.
                    require_full_coverage=False,
                    # Never close all connections for a moved slot: commands are in flight on them.
                    reinitialize_steps=0,
                    max_connections=connections + HELD_CONNECTIONS,
                    **common,
                ),
            )
            kinds = client.connection_kwargs  # type: ignore[attr-defined]
            kinds["connection_class"] = packed(kinds["connection_class"])
        except (RedisClusterException, ValueError) as error:
            raise SettingsError(f"FOREWARN_REDIS_URL cannot be a cluster's: {error}") from error
    else:
        client = cast(RedisClient, RedisClient.from_url(url, max_connections=connections, **common))
        pool = client.connection_pool
        pool.connection_class = packed(pool.connection_class)
    client.wait_replicas = wait_replicas
    return client


async def find_cluster(url: str) -> str:
    """The URL for `build_client`: the same for one Redis, and where it is a node of a cluster, `redis+cluster://` with
    all the masters, so that a process may start while any of them is away.

    Raises LogUnavailable while nobody answers.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix" or CLUSTER in parts.scheme:
        return url
    client = build_client(url)
    try:
        with redis_errors():
            if not (await client.info("cluster")).get("cluster_enabled"):
                return url
            (slots,) = await client.ask_masters("CLUSTER SLOTS")
    except ResponseError:
        # Who may not ask is told nothing of a cluster, and would not be served by one either.
        return url
    finally:
        await client.aclose()
    user, at, own = parts.netloc.rpartition("@")
    # First slot, last slot, master, replicas …; a node is its host, its port and what else the server tells.
    masters = [f"{_bracketed(host.decode())}:{port}" for _, _, (host, port, *_), *_ in slots if host]
    hosts = ",".join(dict.fromkeys([own, *masters]))
    return urlunsplit(parts._replace(scheme=parts.scheme + CLUSTER, netloc=f"{user}{at}{hosts}"))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _parse_cluster(url: str) -> tuple[str, list[tuple[str, int]]]:
    """The URL of the first node as the library reads one, and the other nodes."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    first, *others = hosts.split(",")
    plain = parts._replace(scheme=parts.scheme.removesuffix(CLUSTER), netloc=f"{user}{at}{first}")
    nodes = [(other.hostname or "", other.port or 6379) for other in (urlsplit(f"//{one}") for one in others)]
    return urlunsplit(plain), nodes


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turns failures of Redis into LogUnavailable (nobody answers) or Overloaded (its memory is full)."""
    try:
        yield
    except OutOfMemoryError as error:
        raise Overloaded("Redis has reached its maxmemory: nothing was stored", retry_after_s=5) from error
    except _AWAY as error:
        raise LogUnavailable(f"Redis does not answer ({type(error).__name__}: {error})") from error


async def run_script(client: RedisClient, call: Call, *, durable: bool = False) -> Any:
    """The script's answer; see `run_scripts`. Raises what Redis answered if that was an error."""
    (answer,) = await run_scripts(client, [call], durable=durable)
    if isinstance(answer, Exception):
        raise answer
    return answer


async def run_scripts(client: RedisClient, calls: Sequence[Call], *, durable: bool = False) -> list[Any]:
    """The answers of independent calls sent together; an error of Redis to one of them is its answer.

    `durable`: what has not reached `client.wait_replicas` replicas is answered with LogUnavailable. Raises
    LogUnavailable when the connection fails: which of the calls ran is then unknown.
    """
    if not calls:
        return []
    replicas = client.wait_replicas if durable else 0
    joined = client.has_all_slots and len(calls) > 1 and all(call.script is calls[0].script for call in calls)
    sent = [join(calls)] if joined else calls
    with redis_errors():
        answers = await client.send([_by_name(call) for call in sent], replicas)
        # A server that was started anew, or has just got the slot, does not know the script yet.
        lost = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if lost:
            again = await client.send([_by_text(sent[index]) for index in lost], replicas)
            for index, answer in zip(lost, again, strict=True):
                answers[index] = answer
    if joined:
        (whole,) = answers
        answers = [whole] * len(calls) if isinstance(whole, Exception) else whole
    return [_named(answer) for answer in answers]


def _named(answer: Any) -> Any:
    if isinstance(answer, (RedisError, *_AWAY)):
        try:
            with redis_errors():
                raise answer
        except (LogUnavailable, Overloaded, RedisError) as error:
            return error
    return answer


def _by_name(call: Call) -> Command:
    return Command(call.keys[0], ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments))


def _by_text(call: Call) -> Command:
    return Command(call.keys[0], ("EVAL", call.script.text, len(call.keys), *call.keys, *call.arguments))
