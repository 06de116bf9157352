"""Is this Redis one that the promises can rest on? Version, persistence, eviction: what is unfit, weak, or cannot be
known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from service.errors import RedisUnfit
from service.redis_log.connection import RedisClient, redis_errors

OLDEST = (6, 2)
NOT_KEPT = "none or snapshots only: accepted steps may be lost when Redis stops (set appendonly yes)"
FORBIDDEN = "unknown (CONFIG is forbidden)"


@dataclass(frozen=True, slots=True)
class RedisFitness:
    """One line each, as shown in the log and by /readyz?verbose. "unknown" where the server does not tell. Of a
    cluster's masters the worst is told, the memory of the fullest."""

    version: str
    persistence: str
    eviction: str
    maxmemory_bytes: int
    used_bytes: int
    masters: int = 1


async def check_redis(client: RedisClient) -> RedisFitness:
    """How fit the servers are. Raises RedisUnfit where one is too old or throws keys away when full."""
    with redis_errors():
        servers = await _sections(client, "server")
        memories = await _sections(client, "memory")
        persistence = await _persistence(client)
    version = min((str(server.get("redis_version", "unknown")) for server in servers), key=_numbers)
    if version != "unknown" and _numbers(version) < OLDEST:
        raise RedisUnfit(f"this Redis is {version}; forewarn needs 6.2 or newer")
    for memory in memories:
        eviction = _eviction(memory)
        if int(memory.get("maxmemory", 0)) and eviction not in {"noeviction", "unknown"}:
            raise RedisUnfit(
                f"this Redis throws keys away when full (maxmemory-policy {eviction}): accepted steps would be lost. "
                "Set it to noeviction"
            )
    used, most = fullest(memories)
    # noeviction is told only where all have it.
    eviction = next((one for one in map(_eviction, memories) if one != "noeviction"), "noeviction")
    return RedisFitness(version, persistence, eviction, most, used, len(servers))


async def read_memory(client: RedisClient) -> tuple[int, int]:
    """Bytes used and maxmemory of the fullest server; 0 where there is no limit, or nobody tells."""
    with redis_errors():
        return fullest(await _sections(client, "memory"))


def fullest(memories: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Bytes used and maxmemory of the server that is nearest to its limit, or holds the most where none has one."""
    sizes = [(int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))) for memory in memories]
    return max(sizes, key=lambda size: (size[0] / size[1] if size[1] else 0.0, size[0]))


def _numbers(version: str) -> tuple[int, ...]:
    """The version's first two numbers; an unknown one counts as the newest."""
    return (1 << 30,) if version == "unknown" else tuple(int(part) for part in version.split(".")[:2])


def _eviction(memory: dict[str, Any]) -> str:
    return str(memory.get("maxmemory_policy", "unknown"))


async def _sections(client: RedisClient, name: str) -> list[dict[str, Any]]:
    try:
        return await client.ask_masters("INFO", name)
    except ResponseError:
        return [{}]


async def _persistence(client: RedisClient) -> str:
    """The worst of the masters' persistence."""
    try:
        kept = await client.ask_masters("CONFIG GET", "appendonly")
        synced = await client.ask_masters("CONFIG GET", "appendfsync")
    except ResponseError:
        return FORBIDDEN
    if any(_value(answer) != "yes" for answer in kept):
        return NOT_KEPT
    laxity = {"always": 0, "everysec": 1}
    worst = max((_value(answer) for answer in synced), key=lambda policy: laxity.get(policy, 2))
    return {"always": "appendfsync always", "everysec": "appendfsync everysec: may lose 2 s"}.get(
        worst, f"appendfsync {worst}: may lose much"
    )


def _value(answer: Any) -> str:
    """The one value in an answer of CONFIG GET."""
    (value,) = answer.values() if answer else ("unknown",)
    return value.decode() if isinstance(value, bytes) else str(value)
