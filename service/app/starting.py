"""What both kinds of child process do first: settle the schema, and hear when to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal

from service.errors import TransientError
from service.redis_log.connection import RedisClient
from service.redis_log.schema import settle_schema
from service.settings import Settings

log = logging.getLogger(__name__)


async def settle_when_up(client: RedisClient, settings: Settings, stop: asyncio.Event) -> int | None:
    """The partitions that hold, once Redis answers; None if told to stop before. Raises SchemaMismatch."""
    while not stop.is_set():
        try:
            return await settle_schema(client, settings.partition_count, insist=settings.partitions is not None)
        except TransientError as error:
            log.warning("waiting for Redis: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.3)
    return None


def keep_what_is_loaded() -> None:
    """Take what is loaded by now out of the garbage collector's sight, and let it look less often.

    Of the API's time 19 % went into full collections of what FastAPI and pydantic keep for good, of the worker's 8 %.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    __import__('sys').setswitchinterval(0.0005)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGTERM or SIGINT; a second one changes nothing."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
