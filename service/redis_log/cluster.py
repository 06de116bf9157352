"""A client of a Redis Cluster: the library's, and what `client.RedisClient` adds, node by node.

The library's own pipeline gives up all nodes when one fails, does not look for the new masters then, and sends ASKING
on another connection than the command it is for; so scripts and stream reads go by `ClusterClient.send`. Nothing is
ever repeated but what a node refused with MOVED or ASK, and so did not run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast
from weakref import WeakSet

from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, PipelineCommand, RedisCluster
from redis.exceptions import AskError, MovedError, RedisClusterException
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.redis_log.client import Command, StreamReader, StreamRows, judge_replication, wait_commands
from service.redis_log.scripts import Argument

log = logging.getLogger(__name__)

_GONE = (RedisConnectionError, RedisTimeoutError, OSError)
# A command refused more often than this goes in circles: two nodes disagree on who has the slot.
REDIRECTIONS = 5
# A topology as old as this may be asked for again when a node fails.
LOOK_EVERY_S = 0.5
# How long one read of one stream waits on the server: shorter than a socket's timeout, long enough to cost nothing.
HELD_MS = 5000
# A stream that cannot be read is tried again so often.
RETRY_S = 0.3


class ClusterClient(RedisCluster):
    """A cluster. `wait_replicas`: how many replicas a durable write must have reached."""

    wait_replicas = 0
    has_all_slots = False

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._looked_s = float("-inf")
        self._readers: WeakSet[HeldReads] = WeakSet()

    async def send(self, commands: Sequence[Command], replicas: int = 0) -> list[Any]:
        """See `client.RedisClient.send`; a node that fails answers for its own commands only.

        Raises what the connection raised where every command met that.
        """
        await self.initialize()
        answers: list[Any] = [None] * len(commands)
        asked: dict[int, ClusterNode] = {}
        left: Sequence[int] = range(len(commands))
        for _ in range(REDIRECTIONS):
            by_node: dict[ClusterNode, list[int]] = {}
            for index in left:
                try:
                    by_node.setdefault(asked.get(index) or self._master_of(commands[index].key), []).append(index)
                except RedisClusterException as error:
                    answers[index] = error
            parts = [
                self._send_to(node, [(commands[index], index in asked) for index in own], replicas)
                for node, own in by_node.items()
            ]
            for own, part in zip(by_node.values(), await asyncio.gather(*parts), strict=True):
                for index, answer in zip(own, part, strict=True):
                    answers[index] = answer
            left = [index for index in left if isinstance(answers[index], AskError)]
            asked = await self._follow({index: answers[index] for index in left})
            if not left:
                break
        if answers and all(isinstance(answer, _GONE) for answer in answers):
            raise answers[0]
        return answers

    async def ask_masters(self, *command: Argument) -> list[Any]:
        """See `client.RedisClient.ask_masters`."""
        await self.initialize()
        return list(await asyncio.gather(*(node.execute_command(*command) for node in self.get_primaries())))

    def stream_reader(self) -> StreamReader:
        """One XREAD for each stream: one command may name keys of one slot only."""
        reader = HeldReads(self)
        self._readers.add(reader)
        return reader

    async def aclose(self) -> None:
        """Close all connections, those of held reads included."""
        for reader in self._readers:
            reader.stop()
        await super().aclose()
        # The library's own closes nothing between a failure and the command after it.
        for nodes in ("nodes_cache", "startup_nodes"):
            await self.nodes_manager.aclose(nodes)

    async def subscription(self) -> PubSub:
        """See `client.RedisClient.subscription`: any node hears what is published at any other."""
        await self.initialize()
        return self.pubsub(node=self.get_random_node())

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:  # noqa: ARG002 - the library's
        """The library's pipeline, which then looks for the masters anew when a node fails."""
        pipeline: ClusterPipeline = cast(Any, _Pipeline)(self, transaction)
        return pipeline

    async def look_again(self, failed: str | None = None) -> None:
        """Ask who has which slots, and connect anew to everyone; not again within LOOK_EVERY_S."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now
        try:
            await self.nodes_manager.initialize(last_failed_node_name=failed)
        except (RedisClusterException, *_GONE) as error:
            log.warning("no node of the cluster says who has which slots: %s", error)

    def _master_of(self, key: str) -> ClusterNode:
        node = self.get_node_from_key(key)
        assert node is not None, "a slot has a master, or SlotNotCoveredError is raised"
        return node

    async def _send_to(self, node: ClusterNode, commands: Sequence[tuple[Command, bool]], replicas: int) -> list[Any]:
        """What one node answers to these commands, each after ASKING where so marked, all on one connection."""
        wire: list[PipelineCommand] = []
        own: list[PipelineCommand] = []
        for command, asking in commands:
            if asking:
                wire.append(PipelineCommand(0, "ASKING"))
            own.append(PipelineCommand(0, *command.arguments))
            wire.append(own[-1])
        if replicas:
            wire += (PipelineCommand(0, *wait) for wait in wait_commands(commands[0][0].key, replicas))
        try:
            await node.execute_pipeline(wire)
        except _GONE as error:
            for sent in own:
                sent.result = error
        answers = [sent.result for sent in own]
        if any(isinstance(answer, _GONE) for answer in answers):
            await self.look_again(node.name)
        return judge_replication(answers, wire[-1].result, replicas) if replicas else answers

    async def _follow(self, redirections: Mapping[int, AskError]) -> dict[int, ClusterNode]:
        """Note where slots have moved to; the nodes to ask for the keys of slots that are on the move."""
        asked: dict[int, ClusterNode] = {}
        for index, said in redirections.items():
            if isinstance(said, MovedError):
                with contextlib.suppress(KeyError):  # a slot that nobody had
                    await self.nodes_manager.move_slot(said)
            elif (node := self.get_node(said.host, said.port)) is not None:
                asked[index] = node
            else:
                await self.look_again()
        return asked


class _Pipeline(ClusterPipeline):
    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        client: Any = self.cluster_client
        try:
            answers = await super().execute(raise_on_error, allow_redirections)
            # As with one Redis: a lost connection is no answer, whatever the caller wants to see of errors.
            for answer in answers:
                if isinstance(answer, _GONE):
                    raise answer
        except _GONE:
            await client.look_again()
            raise
        return answers


class HeldReads:
    """StreamReader with one blocking read for each stream, held in flight from one `read` to the next.

    So a new entry is seen at once however many streams there are, and an idle stream costs one command in HELD_MS. A
    read is for one cursor; where that is no longer asked for, it is dropped. A stream that cannot be read does not
    keep the others waiting: only when none can be read is that raised.
    """

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._held: dict[str, tuple[str, asyncio.Task[Any]]] = {}
        self._failed: dict[str, Exception] = {}

    async def read(self, cursors: Mapping[str, str], count: int, block_ms: int) -> list[StreamRows]:
        """See `client.StreamReader.read`."""
        self._drop_unless(cursors)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + block_ms / 1000
        while cursors:
            for stream, cursor in cursors.items():
                if stream not in self._held:
                    reading = loop.create_task(self._read(stream, cursor, count), name=f"read {stream}")
                    self._held[stream] = cursor, reading
            tasks = [reading for _, reading in self._held.values()]
            left = deadline - loop.time()
            await asyncio.wait(tasks, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
            rows = self._collect()
            if rows:
                return rows
            if len(self._failed) == len(cursors):
                raise next(iter(self._failed.values()))
            if left <= 0:
                break
        return []

    def stop(self) -> None:
        """Hold no read any more; the next `read` begins anew."""
        self._drop_unless({})

    def _drop_unless(self, cursors: Mapping[str, str]) -> None:
        for stream, (cursor, reading) in list(self._held.items()):
            if cursors.get(stream) != cursor:
                reading.cancel()
                del self._held[stream]
        for stream in self._failed.keys() - cursors.keys():
            del self._failed[stream]

    def _collect(self) -> list[StreamRows]:
        rows: list[StreamRows] = []
        for stream, (_, reading) in list(self._held.items()):
            if not reading.done():
                continue
            del self._held[stream]
            answer = reading.result()
            if isinstance(answer, Exception):
                if stream not in self._failed:
                    log.warning("%s cannot be read, trying on: %s", stream, answer)
                self._failed[stream] = answer
                continue
            self._failed.pop(stream, None)
            rows += answer or ()
        return rows

    async def _read(self, stream: str, cursor: str, count: int) -> Any:
        """What XREAD answers, or the error that it met, after a pause."""
        command = Command(stream, ("XREAD", "COUNT", count, "BLOCK", HELD_MS, "STREAMS", stream, cursor))
        try:
            (answer,) = await self._client.send([command])
        except (RedisClusterException, *_GONE) as error:
            answer = error
        if isinstance(answer, Exception):
            await asyncio.sleep(RETRY_S)
        return answer
