"""A client of one Redis: the library's, and what the service needs besides, in a form that a cluster can give as well
(`cluster.py`).

The rest of the service sees no difference: every other command it sends has one key, or keys of one partition, and
goes by the library's own methods and `pipeline(transaction=False)`, which exist on both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ExecAbortError, OutOfMemoryError, ResponseError

from service.errors import LogUnavailable
from service.redis_log.scripts import Argument

# How long a write waits for its replicas.
REPLICAS_MS = 1000

# What one stream gave: its key, and its entries as (id, fields).
StreamRows = tuple[bytes, Sequence[tuple[bytes, dict[bytes, bytes]]]]


class Command(NamedTuple):
    """A command and the key that says where it goes."""

    key: str
    arguments: Sequence[Argument]


class StreamReader(Protocol):
    """Reads on in many streams at once, for one reader that knows its cursors."""

    async def read(self, cursors: Mapping[str, str], count: int, block_ms: int) -> list[StreamRows]:
        """Entries after each stream's cursor, at most `count` of each; waits up to `block_ms` for a first one."""
        ...


class RedisClient(Redis):
    """One Redis. `wait_replicas`: how many replicas a durable write must have reached. `has_all_slots`: whether one
    script may touch any keys."""

    wait_replicas = 0
    has_all_slots = True

    async def send(self, commands: Sequence[Command], replicas: int = 0) -> list[Any]:
        """The answers of independent commands sent together; an error of Redis to one of them is its answer.

        With `replicas`, what was done and has not reached so many of them in time is answered with LogUnavailable.
        Raises what the connection raises: which of the commands ran is then unknown, and none is repeated.
        """
        if len(commands) == 1 and not replicas:
            try:
                return [await self._ask(*commands[0].arguments)]
            except ResponseError as error:
                return [error]
        wire = [command.arguments for command in commands]
        if replicas:
            # WAIT does not wait inside a transaction.
            answers = await self._send([*wire, *wait_commands(commands[0].key, replicas)], transaction=False)
            return judge_replication(answers[: len(commands)], answers[-1], replicas)
        try:
            return await self._send(wire, transaction=True)
        except (OutOfMemoryError, ExecAbortError):
            # A full Redis queues nothing, whatever it is, and nothing was run: each command is asked for itself.
            return await self._send(wire, transaction=False)

    async def _send(self, wire: Sequence[Sequence[Argument]], *, transaction: bool) -> list[Any]:
        """In a plain pipeline commands are run as they are read, 16 KB at a time, with a sync of the append-only file
        after each: 64 steps of 2 KB cost 8 syncs that way, and one as a transaction, which is queued first (by
        strace)."""
        async with self.pipeline(transaction=transaction) as pipeline:
            for arguments in wire:
                pipeline.execute_command(*arguments)
            return await pipeline.execute(raise_on_error=False)

    async def ask_masters(self, *command: Argument) -> list[Any]:
        """What every server that takes writes answers to a command without a key."""
        return [await self._ask(*command)]

    async def _ask(self, *command: Argument) -> Any:
        return await cast(Any, self).execute_command(*command)

    def stream_reader(self) -> StreamReader:
        """One XREAD over all streams."""
        return _OneRead(self)

    async def subscription(self) -> PubSub:
        """A connection that hears what is published, wherever it is."""
        return self.pubsub()


class _OneRead:
    """StreamReader by one command: all the streams are on one server."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def read(self, cursors: Mapping[str, str], count: int, block_ms: int) -> list[StreamRows]:
        """See `StreamReader.read`.

        A read that had to wait is woken by one stream and gives that one alone, though one write reached many: the
        others are asked for at once, or they would be a batch of their own.
        """
        rows = await self._read(cursors, count, block_ms)
        if len(rows) != 1 or len(cursors) == 1:
            return rows
        ((stream, entries),) = rows
        others = {name: cursor for name, cursor in cursors.items() if name != stream.decode()}
        return rows + await self._read(others, count, None) if entries else rows

    async def _read(self, cursors: Mapping[str, str], count: int, block_ms: int | None) -> list[StreamRows]:
        streams: dict[Any, Any] = dict(cursors)
        answer: Any = await self._client.xread(streams, count=count, block=block_ms)
        return list(answer or ())


def wait_commands(key: str, replicas: int) -> tuple[tuple[Argument, ...], tuple[Argument, ...]]:
    """What, after commands on one connection, waits until replicas have all that is written on this server so far.

    WAIT alone waits for this connection's own last write: a step sent again, whose first sending is on its way to the
    replicas still, writes nothing. So something is written, beside the partition's keys.
    """
    return ("SET", f"{key.partition(':')[0]}:waited", 1), ("WAIT", replicas, REPLICAS_MS)


def judge_replication(answers: list[Any], reached: Any, replicas: int) -> list[Any]:
    """The answers, errors in place of those of writes that too few replicas have."""
    if isinstance(reached, int) and reached >= replicas:
        return answers
    known = reached if isinstance(reached, int) else 0
    told = f"stored, but on {known} of {replicas} replicas (FOREWARN_WAIT_REPLICAS): a failover now may lose it"
    return [answer if isinstance(answer, Exception) else LogUnavailable(told) for answer in answers]
