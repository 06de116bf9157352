"""Is this Redis one that the promises can rest on? Version, persistence, eviction: what is unfit, weak, or cannot be
known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.errors import RedisUnfit
from service.redis_log.connection import redis_errors

OLDEST = (6, 2)


@dataclass(frozen=True, slots=True)
class RedisFitness:
    """One line each, as shown in the log and by /readyz?verbose. "unknown" where the server does not tell."""

    version: str
    persistence: str
    eviction: str
    maxmemory_bytes: int
    used_bytes: int


async def check_redis(client: Redis) -> RedisFitness:
    """How fit the server is. Raises RedisUnfit where it is too old or throws keys away when full."""
    with redis_errors():
        server = await _section(client, "server")
        memory = await _section(client, "memory")
        persistence = await _persistence(client)
    version = str(server.get("redis_version", "unknown"))
    if version != "unknown" and tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise RedisUnfit(f"this Redis is {version}; forewarn needs 6.2 or newer")
    eviction = str(memory.get("maxmemory_policy", "unknown"))
    limit = int(memory.get("maxmemory", 0))
    if limit and eviction not in {"noeviction", "unknown"}:
        raise RedisUnfit(
            f"this Redis throws keys away when full (maxmemory-policy {eviction}): accepted steps would be lost. "
            "Set it to noeviction"
        )
    return RedisFitness(version, persistence, eviction, limit, int(memory.get("used_memory", 0)))


async def _section(client: Redis, name: str) -> dict[str, Any]:
    try:
        return await client.info(name)
    except ResponseError:
        return {}


async def _persistence(client: Redis) -> str:
    try:
        answer = {**await client.config_get("appendonly"), **await client.config_get("appendfsync")}
    except ResponseError:
        return "unknown (CONFIG is forbidden)"
    values = {_text(name): _text(value) for name, value in answer.items()}
    if values.get("appendonly") != "yes":
        return "none or snapshots only: accepted steps may be lost when Redis stops (set appendonly yes)"
    fsync = values.get("appendfsync", "unknown")
    return {"always": "appendfsync always", "everysec": "appendfsync everysec: may lose 2 s"}.get(
        fsync, f"appendfsync {fsync}: may lose much"
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
