"""Parked steps: listed, shown, put back and thrown away, over a real Redis."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from forewarn.cli import main
from service.errors import NotFound
from service.records import NewStep
from service.redis_log.parking import SCANNED_AT_ONCE, RedisParking
from service.redis_log.schema import settle_schema
from tests.service.conftest import PARTITIONS, Core
from tests.service.fakes import FakeMonitor, offline_scores

BAD = {"explode": True, "n": 1}


class MendedMonitor(FakeMonitor):
    """Scores what made the other explode."""

    def _step(self, before: Any, raw_step: Any) -> Any:
        return super()._step(before, {**raw_step, "explode": False} if raw_step.get("explode") else raw_step)


async def park(core: Core, run_id: str = "r", *steps: dict[str, Any]) -> None:
    """Post steps and score them; those that explode are parked."""
    raw_steps = steps or ({"n": 0}, BAD, {"n": 2})
    async with core.working():
        first = await core.post(run_id, *map(orjson.dumps, raw_steps))
        await core.until_scored(run_id, first[-1] + 1)


@pytest.fixture
async def parking(core: Core) -> RedisParking:
    await settle_schema(core.client, PARTITIONS, insist=False)
    return RedisParking(core.client, core.keys)


async def test_a_parked_step_is_listed_with_its_reason_and_found_with_its_data(
    core: Core, parking: RedisParking
) -> None:
    await park(core)
    (listed,) = await parking.list_parked(10)
    assert (listed.ref, listed.position, listed.data) == (core.ref("r"), 1, b"")
    assert "this step explodes" in listed.reason
    found = await parking.find(listed.parked_id)
    assert orjson.loads(found.data) == BAD
    assert found.data_bytes == len(found.data)
    assert sum(await parking.counts()) == 1


async def test_the_longest_parked_come_first_over_all_partitions_and_pages(core: Core, parking: RedisParking) -> None:
    for name in ("a", "b", "c"):
        await park(core, name, *({"explode": True, "n": n} for n in range(SCANNED_AT_ONCE + 6)))
    listed = await parking.list_parked(10_000)
    assert len(listed) == 3 * (SCANNED_AT_ONCE + 6)
    assert [one.ref.run_id for one in listed[:: SCANNED_AT_ONCE + 6]] == ["a", "b", "c"]
    assert [one.position for one in await parking.list_parked(70, core.ref("b"))] == list(range(70))


@pytest.mark.parametrize("ended", [False, True])
async def test_a_released_step_is_scored_at_the_runs_next_position(
    core: Core, parking: RedisParking, ended: bool
) -> None:
    await park(core)
    if ended:
        await core.log.end(core.ref("r"))
    (parked,) = await parking.list_parked(10)
    assert await parking.release(parked) == 3
    assert await parking.list_parked(10) == []
    async with core.working(monitor=MendedMonitor()):
        await core.until_scored("r", 4)
    expected = offline_scores([{"n": 0}, {"n": 2}, {"explode": False, "n": 1}])
    assert [score for score in await core.scores("r") if score in expected][-1] == expected[-1]
    counts = core.keys.of_run(core.ref("r")).counts
    assert int(await core.client.hget(counts, "appended") or 0) >= 1


async def test_a_step_is_released_once(core: Core, parking: RedisParking) -> None:
    await park(core)
    (parked,) = await parking.list_parked(10)
    await parking.release(parked)
    with pytest.raises(NotFound, match="parked no more"):
        await parking.release(parked)
    record = await core.reader.read_run(core.ref("r"))
    assert record is not None
    assert record.accepted == 4


async def test_a_step_of_a_deleted_run_stays_parked_and_is_said_to(core: Core, parking: RedisParking) -> None:
    await park(core)
    await core.client.delete(core.keys.of_run(core.ref("r")).run(core.ref("r")))
    (parked,) = await parking.list_parked(10)
    with pytest.raises(NotFound, match="was deleted"):
        await parking.release(parked)
    assert await parking.list_parked(10) == [parked]


async def test_a_released_step_that_still_fails_is_parked_again(core: Core, parking: RedisParking) -> None:
    await park(core)
    await parking.release((await parking.list_parked(10))[0])
    async with core.working():
        await core.until_scored("r", 4)
    (again,) = await parking.list_parked(10)
    assert again.position == 3


async def test_the_client_id_goes_with_a_released_step(core: Core, parking: RedisParking) -> None:
    async with core.working():
        await core.append("r", [NewStep(orjson.dumps(BAD), "my-id")])
        await core.until_scored("r", 1)
    (before,) = await parking.list_parked(10)
    await parking.release(before)
    async with core.working():
        await core.until_scored("r", 2)
    (after,) = await parking.list_parked(10)
    assert after.client_id == before.client_id != ""


async def test_dropped_steps_are_gone(core: Core, parking: RedisParking) -> None:
    await park(core)
    listed = await parking.list_parked(10)
    assert await parking.drop(listed) == 1
    assert await parking.drop(listed) == 0
    assert sum(await parking.counts()) == 0


@pytest.mark.parametrize("name", ["", "1-1", "1-1@99", "x@0", "١-١@0", "1-1@0"])
async def test_an_id_that_names_nothing_is_said_to(parking: RedisParking, name: str) -> None:
    with pytest.raises(NotFound):
        await parking.find(name)


def command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "forewarn", "parked", *arguments]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60, check=False)


class TestCommand:
    async def test_the_whole_way_in_a_pipe(self, core: Core, parking: RedisParking, redis_url: str) -> None:
        await park(core)
        await park(core, "s", {"explode": True, "text": "\x1b[2J hostile"})
        where = ("--redis-url", redis_url)
        listed = command("list", *where)
        assert listed.returncode == 0, listed.stderr
        rows = [line.split("\t") for line in listed.stdout.splitlines()]
        assert [row[1:3] for row in rows] == [["r", "1"], ["s", "0"]]
        assert "explodes" in rows[0][5]
        shown = command("show", rows[1][0], *where)
        assert "hostile" in shown.stdout
        assert "\x1b" not in shown.stdout
        released = command("release", rows[0][0], *where)
        assert released.stdout == f"{rows[0][0]}\tr\tposition 3\n"
        unsure = command("drop", rows[1][0], *where, stdin="n\n")
        assert unsure.returncode == 1
        assert sum(await parking.counts()) == 1
        dropped = command("drop", "--all", "--yes", "--json", *where)
        assert orjson.loads(dropped.stdout) == {"dropped": 1}
        assert orjson.loads(command("list", "--json", *where).stdout) == []

    def test_without_a_service_the_next_step_is_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as left:
            main(["parked", "list", "--data-dir", str(tmp_path)])
        assert left.value.code == 1
        assert "start `forewarn serve`" in capsys.readouterr().err

    def test_a_redis_that_does_not_answer_is_named_without_its_password(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            main(["parked", "list", "--redis-url", "redis://me:secret@127.0.0.1:1/0"])
        said = capsys.readouterr().err
        assert "127.0.0.1:1" in said
        assert "secret" not in said

    async def test_another_redis_than_the_services_is_said_to_be(self, core: Core, redis_url: str) -> None:
        assert "holds no data of forewarn" in command("list", "--redis-url", redis_url).stderr

    def test_ids_and_all_exclude_each_other(self, capsys: pytest.CaptureFixture[str]) -> None:
        for arguments in ([], ["1-1@0", "--all"], ["--run", "r"]):
            with pytest.raises(SystemExit) as left:
                main(["parked", "drop", *arguments])
            assert left.value.code == 2
