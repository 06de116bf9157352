"""What a cluster has that one Redis has not: several masters, slots that move, nodes that fail alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from service.errors import LogUnavailable, RedisUnfit
from service.redis_log.checks import check_redis
from service.redis_log.client import Command
from service.redis_log.connection import build_client, find_cluster, redis_errors, run_scripts
from service.redis_log.ingest import RedisStepLog
from service.redis_log.keys import KeySpace
from service.redis_log.scripts import RENEW, Call
from tests.service.conftest import Core
from tests.service.servers import running_cluster, running_single

KINDS = ("cluster",)
SPREAD = 12


async def test_a_node_of_a_cluster_is_known_as_one_and_leads_to_all_its_masters(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as cluster:
        url = await find_cluster(f"redis://:@localhost:{cluster.masters[1].port}/0?socket_timeout=3")
        assert url.startswith(f"redis+cluster://:@localhost:{cluster.masters[1].port},")
        assert all(f"127.0.0.1:{server.port}" in url for server in cluster.masters)
        assert url.endswith("/0?socket_timeout=3")
        cluster.masters[1].kill()
        async with aclosing(build_client(url)) as client:
            assert len((await cast(Any, client).initialize()).get_primaries()) == 3


async def test_one_redis_is_left_as_it_is(tmp_path: Path) -> None:
    with running_single(tmp_path) as server:
        assert await find_cluster(server.url) == server.url


@asynccontextmanager
async def moving_slot(core: Core, key: str) -> AsyncIterator[tuple[Any, Any]]:
    """The key's slot is on its way from one master to another while the block lasts, and has moved after it."""
    client: Any = core.client
    await client.initialize()
    slot, source = client.keyslot(key), client.get_node_from_key(key)
    target = next(node for node in client.get_primaries() if node.name != source.name)
    ids = {node.name: (await node.execute_command("CLUSTER MYID")).decode() for node in (source, target)}
    await target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source.name])
    await source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target.name])
    try:
        yield source, target
    finally:
        keys = await source.execute_command("CLUSTER GETKEYSINSLOT", slot, 1000)
        if keys:
            await source.execute_command("MIGRATE", target.host, target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *client.get_primaries()):
            await node.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target.name])


async def test_a_slot_that_moves_is_followed_and_nothing_is_stored_twice(core: Core) -> None:
    key = core.keys[0].steps
    old, new, *_ = (name for name in map(str, range(99)) if core.keys.of_run(core.ref(name)).steps == key)
    assert await core.post(old, b"0", ids=["x"]) == [0]
    async with moving_slot(core, key) as (_, target):
        # The lease is not at the source, which sends whoever asks for it on, for this time only (ASK).
        lease = core.keys[0].lease
        for _ in range(3):
            answers = await core.client.send([Command(lease, ("APPEND", lease, "1")), Command(key, ("XLEN", key))])
            assert answers[1] == 1
        assert answers[0] == 3
        # A new run's keys are nowhere yet, the partition's are at the source: neither node runs the script.
        with pytest.raises(LogUnavailable):
            await core.post(new, b"0")
    # From now on the source answers MOVED.
    assert await core.post(old, b"0", b"1", ids=["x", "y"]) == [0, 1]
    assert await core.post(new, b"0") == [0]
    assert await target.execute_command("XLEN", key) == 3
    assert await target.execute_command("GET", lease) == b"111"


async def test_a_master_that_is_away_costs_the_others_nothing(tmp_path: Path) -> None:
    keys = KeySpace(SPREAD)
    with running_cluster(tmp_path) as cluster:
        async with aclosing(build_client(await find_cluster(cluster.url))) as client:
            calls = [Call(RENEW, [keys[p].lease, keys[p].fence], ["w", 1000, 7]) for p in range(SPREAD)]
            streams = {keys[p].steps: "0" for p in range(SPREAD)}
            reader = client.stream_reader()
            assert await run_scripts(client, calls) == [0] * SPREAD
            assert await reader.read(streams, 10, 50) == []
            cluster.masters[1].kill()
            answers = await run_scripts(client, calls)
            away = [p for p, answer in enumerate(answers) if isinstance(answer, LogUnavailable)]
            assert 0 < len(away) < SPREAD
            assert all(answers[p] == 0 for p in range(SPREAD) if p not in away)
            alive = next(p for p in range(SPREAD) if p not in away)
            await client.xadd(keys[alive].steps, {"x": "1"})
            assert [stream.decode() for stream, _ in await reader.read(streams, 10, 1000)] == [keys[alive].steps]
            cluster.masters[1].start()
            cluster.masters[1].until(lambda one: "cluster_state:ok" in str(one.ask("CLUSTER", "INFO")), "back")
            for _ in range(100):
                if await run_scripts(client, calls) == [0] * SPREAD:
                    break
                await asyncio.sleep(0.1)
            await client.xadd(keys[away[0]].steps, {"x": "1"})
            del streams[keys[alive].steps]
            assert [stream.decode() for stream, _ in await reader.read(streams, 10, 5000)] == [keys[away[0]].steps]


async def test_with_every_master_away_a_write_and_a_read_say_so(tmp_path: Path) -> None:
    keys = KeySpace(SPREAD)
    with running_cluster(tmp_path) as cluster:
        async with aclosing(build_client(await find_cluster(cluster.url))) as client:
            core = Core(client, keys, RedisStepLog(client, keys), None, None)  # type: ignore[arg-type]
            await core.post("a", b"0")
            for server in cluster.masters:
                server.kill()
            with pytest.raises(LogUnavailable):
                await core.post("a", b"1")
            with pytest.raises(LogUnavailable), redis_errors():
                await client.stream_reader().read({keys[0].steps: "0"}, 10, 5000)
            with pytest.raises(LogUnavailable), redis_errors():
                await client.get(keys[0].lease)


async def count_reads(core: Core) -> int:
    stats = await core.client.ask_masters("INFO", "commandstats")
    return sum(int(one.get("cmdstat_xread", {"calls": 0})["calls"]) for one in stats)


async def test_waiting_for_idle_streams_costs_no_commands(core: Core) -> None:
    cursors = dict.fromkeys(range(core.keys.count), "0-0")
    await core.partitions.read(cursors, 10, 10)
    before = await count_reads(core)
    for _ in range(10):
        assert await core.partitions.read(cursors, 10, 50) == []
    assert await count_reads(core) == before


async def test_a_step_is_read_as_soon_as_it_is_there_whichever_stream_it_is_in(core: Core) -> None:
    cursors = dict.fromkeys(range(core.keys.count), "0-0")
    assert await core.partitions.read(cursors, 10, 20) == []
    for number in range(8):
        reading = asyncio.create_task(core.partitions.read(cursors, 10, 5000))
        await asyncio.sleep(0.02)
        await core.post(f"run-{number}", b"{}")
        began = time.monotonic()
        (entry,) = await reading
        assert time.monotonic() - began < 0.5
        assert entry.ref.run_id == f"run-{number}"
        cursors[entry.partition] = entry.entry_id


async def test_a_read_that_is_under_way_is_dropped_when_the_cursor_goes_back(core: Core) -> None:
    run_ids = [f"run-{number}" for number in range(3)]
    for run_id in run_ids:
        await core.post(run_id, b"1", b"2")
    start = {core.keys.partition_of(core.ref("run-0")): "0-0"}
    (partition,) = start
    first, *_ = [entry for entry in await core.partitions.read(start, 1, 1000) if entry.ref.run_id == "run-0"] or [None]
    assert first is not None
    # The held read waits beyond the last entry, or has the second one already.
    await core.partitions.read({partition: first.entry_id}, 1, 20)
    again = await core.partitions.read(start, 1, 1000)
    assert [entry.entry_id for entry in again] == [first.entry_id]


async def test_the_worst_of_the_masters_is_told(core: Core) -> None:
    assert (await check_redis(core.client)).masters == 3
    client: Any = core.client
    node = client.get_primaries()[-1]
    assert (await check_redis(core.client)).persistence == "appendfsync always"
    try:
        await node.execute_command("CONFIG SET", "appendfsync", "everysec")
        await node.execute_command("CONFIG SET", "maxmemory", "100mb")
        fitness = await check_redis(core.client)
        assert fitness.persistence == "appendfsync everysec: may lose 2 s"
        assert fitness.maxmemory_bytes == 100 * 2**20
        await node.execute_command("CONFIG SET", "maxmemory-policy", "allkeys-lru")
        with pytest.raises(RedisUnfit, match="allkeys-lru"):
            await check_redis(core.client)
    finally:
        for name, value in (("appendfsync", "always"), ("maxmemory", "0"), ("maxmemory-policy", "noeviction")):
            await node.execute_command("CONFIG SET", name, value)
