"""Sends outcomes to a service, several at a time; each line is answered for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from forewarn.outcomes_file import FileOutcome
from forewarn.replay.connection import Origin, RefusedError
from forewarn.replay.service import ServiceConnection

IN_FLIGHT = 8
# What no other line can be helped by: the service is not there for this caller.
_HOPELESS = {401, 403}


@dataclass(slots=True)
class Imported:
    """What an import came to. `refused` holds each line that could not be used, with the reason."""

    changed: int = 0
    unchanged: int = 0
    refused: list[tuple[FileOutcome, str]] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """How many lines there were."""
        return self.changed + self.unchanged + len(self.refused)


async def import_outcomes(
    origin: Origin, outcomes: Iterator[FileOutcome], on_line: Callable[[Imported], None] | None = None
) -> Imported:
    """Say every outcome. To import a file again changes nothing. Of two lines about one run the later one holds.

    Raises ServiceUnreachableError, RefusedError where the service wants another key, and what reading raises.
    """
    done = Imported()
    # Lines about one run go over one connection, in order.
    queues: list[asyncio.Queue[FileOutcome | None]] = [asyncio.Queue(64) for _ in range(IN_FLIGHT)]

    async def read() -> None:
        for outcome in outcomes:
            await queues[hash(outcome.run_id) % IN_FLIGHT].put(outcome)
        for queue in queues:
            await queue.put(None)

    async def send(queue: asyncio.Queue[FileOutcome | None]) -> None:
        connection = ServiceConnection(origin)
        try:
            while (outcome := await queue.get()) is not None:
                await _say(connection, outcome, done)
                if on_line is not None:
                    on_line(done)
        finally:
            connection.close()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            for queue in queues:
                group.create_task(send(queue))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    done.refused.sort(key=lambda refusal: refusal[0].line)
    return done


async def _say(connection: ServiceConnection, outcome: FileOutcome, done: Imported) -> None:
    if outcome.fault:
        done.refused.append((outcome, outcome.fault))
        return
    try:
        if await connection.post_outcome(outcome.run_id, success=outcome.success, intervened=outcome.intervened):
            done.changed += 1
        else:
            done.unchanged += 1
    except RefusedError as error:
        if error.status in _HOPELESS:
            raise
        done.refused.append((outcome, error.detail))
