"""What commands share that look into the service's Redis by themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from service.app.tenants import Tenants

Result = TypeVar("Result")

RedisUrl = Annotated[str | None, typer.Option(help="The service's Redis (FOREWARN_REDIS_URL).")]
DataDir = Annotated[
    Path | None, typer.Option(help="Data folder of a running service with a Redis of its own (FOREWARN_DATA_DIR).")
]


def with_tenants(work: Callable[[Tenants], Awaitable[Result]], redis_url: str | None, data_dir: Path | None) -> Result:
    """What `work` makes of the service's keys and projects."""
    import asyncio

    from service.app.tenants import open_tenants
    from service.settings import read_settings

    settings = read_settings(redis_url=redis_url, data_dir=data_dir)

    async def run() -> Result:
        async with open_tenants(settings) as tenants:
            return await work(tenants)

    return asyncio.run(run())
