"""What both kinds of child process do first: settle the schema, and hear when to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys

from service.core.privacy.keeping import PrivacyRules
from service.core.projects import ProjectBook
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
    """Take what is loaded by now out of the garbage collector's sight, let it look less often, and threads take shorter
    turns.

    Of the API's time 19 % went into full collections of what FastAPI and pydantic keep for good, of the worker's 8 %.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    # Scoring and the event loop take turns many times a batch: by Python's 5 ms a batch of 32 waited longer for its
    # turns than it was worked on (7 ms for 2), and half of all steps took 45 ms to their score instead of 18.
    sys.setswitchinterval(0.0005)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGTERM or SIGINT; a second one changes nothing."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def privacy_rules(settings: Settings, book: ProjectBook) -> PrivacyRules:
    """What projects keep: by their own settings, else by these."""
    return PrivacyRules(book, settings.redacted_shapes, settings.content, settings.retention_days)
