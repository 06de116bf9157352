"""The registered monitors in Redis: which there are, where, which ones workers should load, what rests on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from service.records import Registration
from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.keys import MONITORS, WANTED, KeySpace

_LOOKED_AT = 500


class RedisMonitorRegister:
    """MonitorRegister on Redis."""

    def __init__(self, client: RedisClient, keys: KeySpace) -> None:
        self._client = client
        self._keys = keys

    async def read_all(self) -> dict[str, Registration]:
        """See `ports.MonitorRegister.read_all`."""
        with redis_errors():
            rows: Any = await cast(Any, self._client.hgetall(MONITORS))
        return {name.decode(): Registration.from_bytes(name.decode(), value) for name, value in rows.items()}

    async def find(self, monitor_id: str) -> Registration | None:
        """See `ports.MonitorRegister.find`."""
        with redis_errors():
            value: Any = await cast(Any, self._client.hget(MONITORS, monitor_id))
        return None if value is None else Registration.from_bytes(monitor_id, value)

    async def put(self, registration: Registration) -> None:
        """See `ports.MonitorRegister.put`."""
        with redis_errors():
            await cast(Any, self._client.hset(MONITORS, registration.monitor_id, registration.to_bytes()))

    async def drop(self, monitor_id: str) -> None:
        """See `ports.MonitorRegister.drop`."""
        with redis_errors():
            await cast(Any, self._client.hdel(MONITORS, monitor_id))
            await cast(Any, self._client.zrem(WANTED, monitor_id))

    async def want(self, monitor_id: str, until_ms: int) -> None:
        """See `ports.MonitorRegister.want`."""
        with redis_errors():
            await cast(Any, self._client.zadd(WANTED, {monitor_id: until_ms}))

    async def wanted(self, now_ms: int) -> dict[str, int]:
        """See `ports.MonitorRegister.wanted`."""
        with redis_errors():
            rows: Any = await cast(Any, self._client.zrangebyscore(WANTED, now_ms, "+inf", withscores=True))
        return {name.decode(): int(until) for name, until in rows}

    async def count_live(self, monitor_id: str) -> int:
        """See `ports.MonitorRegister.count_live`."""
        found, wanted = 0, monitor_id.encode()
        with redis_errors():
            for partition in range(self._keys.count):
                keys = self._keys[partition]
                names: Any = await self._client.zrange(keys.live, 0, -1)
                for first in range(0, len(names), _LOOKED_AT):
                    async with self._client.pipeline(transaction=False) as pipeline:
                        for name in names[first : first + _LOOKED_AT]:
                            pipeline.hmget(f"{keys.prefix}run:{name.decode()}", ["monitor", "shadow"])
                        found += sum(1 for row in await pipeline.execute() if wanted in row)
        return found

    async def newest_steps(self) -> list[str]:
        """See `ports.MonitorRegister.newest_steps`."""
        newest = []
        with redis_errors():
            for partition in range(self._keys.count):
                rows: Any = await self._client.xrevrange(self._keys[partition].steps, count=1)
                newest.append(rows[0][0].decode() if rows else "0-0")
        return newest

    async def are_scored(self, newest: Sequence[str]) -> bool:
        """See `ports.MonitorRegister.are_scored`."""
        with redis_errors():
            for partition, entry_id in enumerate(newest):
                cursor: Any = await cast(Any, self._client.hget(self._keys[partition].cursor, "id"))
                if _moment((cursor or b"0-0").decode()) < _moment(entry_id):
                    return False
        return True

    async def shadow_counts(self, project: str, monitor_id: str) -> dict[str, float]:
        """See `ports.MonitorRegister.shadow_counts`."""
        prefix = f"{project}:{monitor_id}:".encode()
        total: dict[str, float] = {}
        with redis_errors():
            for partition in range(self._keys.count):
                rows: Any = await cast(Any, self._client.hgetall(self._keys[partition].shadows))
                for name, value in rows.items():
                    if name.startswith(prefix):
                        count = name[len(prefix) :].decode()
                        total[count] = total.get(count, 0.0) + float(value)
        return total


def _moment(entry_id: str) -> tuple[int, int]:
    at_ms, _, number = entry_id.partition("-")
    return int(at_ms), int(number)
