"""Serves an application over HTTP until told to stop: what the API and the health of a worker role have in common."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from service.settings import Settings

# Requests under way when the process is to stop have so long to come to an end.
GRACE_S = 10


def build_server(app: FastAPI, host: str, settings: Settings) -> uvicorn.Server:
    """The server of an application on an address, at the port that is set."""
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=settings.port,
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S,
            backlog=2048,
        )
    )


async def serve_until(server: uvicorn.Server, stop: asyncio.Event, on_stop: Callable[[], None] = lambda: None) -> None:
    """Serve until `stop`: then finish what is under way, and take no more. `on_stop` ends what would go on for ever."""

    async def stop_server() -> None:
        await stop.wait()
        on_stop()
        server.should_exit = True

    stopping = asyncio.create_task(stop_server())
    try:
        await server.serve()
    finally:
        stopping.cancel()


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the process has one way to be stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
