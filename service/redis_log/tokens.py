"""Projects' buckets of tokens in Redis, one key each, by Redis's own clock."""

from __future__ import annotations

from service.redis_log.connection import RedisClient, run_script
from service.redis_log.keys import TOKENS
from service.redis_log.scripts import TAKE_TOKENS, Call


class RedisTokenStore:
    """TokenStore on Redis."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def take_tokens(self, project: str, rate: float, burst: int, needed: int, portion: int) -> tuple[int, float]:
        """See `ports.TokenStore.take_tokens`."""
        call = Call(TAKE_TOKENS, [TOKENS + project], [repr(rate), burst, needed, max(needed, portion)])
        granted, left = await run_script(self._client, call)
        return int(granted), float(left)
