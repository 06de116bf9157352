"""API keys in Redis: one hash for all, so that one small question a second tells a process whether any has changed.

A thousand keys are 300 KB, read only after a change; looking up each key by a name of its own would cost every request
a round trip, or every process a copy that nobody can keep fresh.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any, cast

from service.redis_log.connection import RedisClient, redis_errors, run_script
from service.redis_log.keys import ACCESS_KEYS, ACCESS_KEYS_USED
from service.redis_log.scripts import SWAP_KEY, Call

_VERSION = b"version"


class RedisKeyStore:
    """KeyStore on Redis."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def read_keys(self, known: bytes = b"") -> tuple[bytes, dict[str, bytes]]:
        """See `ports.KeyStore.read_keys`."""
        with redis_errors():
            if known and await cast(Any, self._client.hget(ACCESS_KEYS, "version")) == known:
                return known, {}
            rows: dict[bytes, bytes] = await cast(Any, self._client.hgetall(ACCESS_KEYS))
        version = rows.pop(_VERSION, b"")
        return version, {key_id.decode(): raw for key_id, raw in rows.items()}

    async def read_key(self, key_id: str) -> bytes | None:
        """See `ports.KeyStore.read_key`."""
        with redis_errors():
            return cast("bytes | None", await cast(Any, self._client.hget(ACCESS_KEYS, key_id)))

    async def swap_key(self, key_id: str, old: bytes, new: bytes) -> bool:
        """See `ports.KeyStore.swap_key`."""
        call = Call(SWAP_KEY, [ACCESS_KEYS], [key_id, old, new, secrets.token_hex(8)])
        if not await run_script(self._client, call, durable=True):
            return False
        if not new:
            with redis_errors():
                await cast(Any, self._client.hdel(ACCESS_KEYS_USED, key_id))
        return True

    async def note_used(self, key_ids: Collection[str], at_ms: int) -> None:
        """See `ports.KeyStore.note_used`."""
        with redis_errors():
            await cast(Any, self._client.hset(ACCESS_KEYS_USED, mapping=dict.fromkeys(key_ids, at_ms)))

    async def read_used(self) -> dict[str, int]:
        """See `ports.KeyStore.read_used`."""
        with redis_errors():
            rows: dict[bytes, bytes] = await cast(Any, self._client.hgetall(ACCESS_KEYS_USED))
        return {key_id.decode(): int(at_ms) for key_id, at_ms in rows.items()}
