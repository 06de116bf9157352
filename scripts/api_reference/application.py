"""The OpenAPI document of the whole application, made without a Redis: none is asked before the first request."""

from __future__ import annotations

from typing import Any

from service.api.application import create_app
from service.app.api import build_deps
from service.redis_log.connection import build_client
from service.settings import read_settings

NOWHERE = "redis://127.0.0.1:1"


async def read_document() -> dict[str, Any]:
    """What a service of this version answers at `/openapi.json`."""
    client = build_client(NOWHERE, connections=1)
    deps, board, _ = build_deps(read_settings(bundle=None), client, partitions=8)
    try:
        return create_app(deps, version="0").openapi()
    finally:
        await board.close()
        await client.aclose()
