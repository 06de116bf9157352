"""A run's raw steps while they are still in their partition's stream."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from service.records import RunRef
from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.keys import KeySpace
from service.redis_log.partitions import entry_after

# A stream holds what came in the last second or so, of all its runs; after an outage it holds far more than a request
# may look at. Entries are up to a megabyte each, so few are asked for at once.
LOOKED_AT, AT_ONCE = 1024, 64
MOST_BYTES = 32 * 2**20


class RedisWaitingSteps:
    """WaitingSteps on Redis."""

    def __init__(self, client: RedisClient, keys: KeySpace) -> None:
        self._client = client
        self._keys = keys

    async def read(self, ref: RunRef, wanted: Collection[int], since_ms: int) -> dict[int, bytes]:
        """See `ports.WaitingSteps.read`."""
        found: dict[int, bytes] = {}
        name, missing = ref.name.encode(), set(wanted)
        start, left, size = f"{max(0, since_ms)}-0", LOOKED_AT, 0
        while missing and left > 0 and size < MOST_BYTES:
            with redis_errors():
                rows: Any = await self._client.xrange(self._keys.of_run(ref).steps, start, "+", count=AT_ONCE)
            for _, fields in rows:
                size += len(fields[b"d"])
                position = int(fields[b"p"])
                if fields[b"r"] == name and position in missing:
                    found[position] = fields[b"d"]
                    missing.discard(position)
            if len(rows) < AT_ONCE:
                break
            start, left = entry_after(rows[-1][0].decode()), left - len(rows)
        return found
