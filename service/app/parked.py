"""The parking of a service that may or may not run, for a command beside it: Redis alone must answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from service.errors import LogUnavailable
from service.ports import Parking
from service.redis_log.connection import RedisClient, build_client, find_cluster
from service.redis_log.embedded import EmbeddedRedis
from service.redis_log.keys import KeySpace
from service.redis_log.parking import RedisParking
from service.redis_log.schema import read_partitions
from service.settings import Settings


@asynccontextmanager
async def open_parking(settings: Settings) -> AsyncIterator[Parking]:
    """The parking in the Redis that these settings name. Raises as `open_redis` does."""
    async with open_redis(settings) as (client, keys):
        yield RedisParking(client, keys)


@asynccontextmanager
async def open_redis(settings: Settings) -> AsyncIterator[tuple[RedisClient, KeySpace]]:
    """The Redis that these settings name, or the embedded one of the data folder, and the keys in it.

    Raises LogUnavailable, saying what to do, where no Redis answers; SchemaMismatch where it holds no data of forewarn.
    """
    embedded = EmbeddedRedis(Path("redis-server"), settings.folder / "redis")
    try:
        url = await find_cluster(settings.redis_url or embedded.url)
    except LogUnavailable as error:
        raise LogUnavailable(_what_to_do(settings)) from error
    client = build_client(url, wait_replicas=settings.wait_replicas)
    try:
        try:
            partitions = await read_partitions(client)
        except LogUnavailable as error:
            raise LogUnavailable(_what_to_do(settings)) from error
        yield client, KeySpace(partitions)
    finally:
        await client.aclose()


def _what_to_do(settings: Settings) -> str:
    if settings.redis_url is None:
        return (
            f"no service runs on {settings.folder}: start `forewarn serve` with that data folder (its Redis is asked), "
            "or name a Redis with --redis-url"
        )
    parts = urlsplit(settings.redis_url)
    place = parts.path if parts.scheme == "unix" else (parts.netloc.rpartition("@")[2] or parts.path)
    return f"no Redis answers at {place}: check --redis-url (FOREWARN_REDIS_URL), and that it runs"
