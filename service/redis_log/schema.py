"""What is settled at the first start and holds for ever after: the key schema's version and the number of
partitions."""

from __future__ import annotations

from typing import Any, cast

from service.errors import SchemaMismatch
from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.keys import SCHEMA, SCHEMA_VERSION


async def settle_schema(client: RedisClient, partitions: int, *, insist: bool) -> int:
    """Write the schema if Redis has none, and return the partitions that hold. Two starting at once agree on one of
    them.

    `insist`: `partitions` was asked for by name, so that another number is refused rather than followed. Raises
    SchemaMismatch.
    """
    with redis_errors():
        await cast(Any, client.hsetnx(SCHEMA, "partitions", str(partitions)))
        await cast(Any, client.hsetnx(SCHEMA, "version", str(SCHEMA_VERSION)))
        found: Any = await cast(Any, client.hgetall(SCHEMA))
    version, held = int(found[b"version"]), int(found[b"partitions"])
    if version != SCHEMA_VERSION:
        raise SchemaMismatch(
            f"this Redis holds forewarn's key schema {version}, and this forewarn knows {SCHEMA_VERSION}: "
            "use the forewarn that wrote it, or another Redis (or data folder)"
        )
    if insist and held != partitions:
        raise SchemaMismatch(
            f"this Redis was started with {held} partitions, and {partitions} were asked for: "
            "the number is fixed at the first start. "
            f"Set FOREWARN_PARTITIONS={held} or leave it out, or use another Redis (or data folder)"
        )
    return held


async def read_partitions(client: RedisClient) -> int:
    """The partitions of the data that Redis holds; writes nothing. Raises SchemaMismatch where it holds none, or
    another schema's."""
    with redis_errors():
        found: Any = await cast(Any, client.hgetall(SCHEMA))
    if b"partitions" not in found:
        raise SchemaMismatch("this Redis holds no data of forewarn: is it the one that the service uses?")
    if int(found[b"version"]) != SCHEMA_VERSION:
        raise SchemaMismatch(
            f"this Redis holds forewarn's key schema {int(found[b'version'])}, and this forewarn knows {SCHEMA_VERSION}"
        )
    return int(found[b"partitions"])
