"""A worker that fails between any two commands to Redis: what comes out is what comes out with no fault.

The points are found by counting: the fault comes after 0 commands, after 1, … until the work is done before it comes.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import asdict
from typing import Any

import orjson
import pytest

from service.redis_log.partitions import RedisPartitionLog
from tests.service.conftest import LEASE_MS, Core
from tests.service.fakes import offline_scores
from tests.service.faults import Faults, FaultyRedis, Kind

# Runs in several partitions: two alert episodes, a step to be parked, a step of no known kind, a run of one step.
RUNS: dict[str, list[dict[str, Any]]] = {
    "a": [{"n": 0}, {"n": 1, "bad": 3}, {"n": 2, "bad": -3}, {"n": 3, "bad": 3}, {"n": 4}],
    "b": [{"n": 0}, {"n": 1, "explode": True}, {"n": 2}],
    "c": [{"n": 0, "odd": True}, {"n": 1, "bad": 2.5}],
    "d": [{"n": 0}],
}


@pytest.fixture(params=["together", "entry by entry"])
def careful(request: pytest.FixtureRequest) -> bool:
    """Whether the partitions' owners died so often before that they are scored entry by entry."""
    return bool(request.param == "entry by entry")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dies", "answer is lost"])
async def test_a_worker_that_fails_between_any_two_commands_changes_nothing(
    core: Core, kind: Kind, careful: bool
) -> None:
    await post_all(core, careful=False)
    async with core.working():
        await until_all_scored(core)
    faultless = await outcome(core)
    assert_as_offline(faultless)
    for after in itertools.count(0 if kind == "dies" else 1):
        await core.client.flushall()
        await post_all(core, careful)
        faults = Faults(kind, after)
        log = RedisPartitionLog(FaultyRedis(core.client, faults), core.keys, LEASE_MS)
        async with core.working("w1", log=lambda _, log=log: log, crash=True):
            working = asyncio.create_task(until_all_scored(core))
            died = asyncio.create_task(faults.met.wait())
            ended = [working, died] if kind == "dies" else [working]
            await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED, timeout=20)
            for task in (working, died):
                task.cancel()
        if kind == "dies":
            # Under the same name, as the supervisor starts it again: it need not wait for the leases to run out.
            async with core.working("w1", crash=True):
                await until_all_scored(core)
        assert await outcome(core) == faultless, f"fault {after}: {faults.where}"
        if not faults.where:
            break
    # Leases, a read, the runs' progress, a commit in each partition: less would be a test of nothing.
    assert after > 3 * core.keys.count


async def post_all(core: Core, careful: bool) -> None:
    if careful:
        for partition in range(core.keys.count):
            await core.client.hset(core.keys[partition].cursor, "attempts", 7)
    for run_id, steps in RUNS.items():
        await core.post(run_id, *(orjson.dumps(step) for step in steps))


async def until_all_scored(core: Core) -> None:
    for run_id, steps in RUNS.items():
        await core.until_scored(run_id, len(steps))


async def outcome(core: Core) -> dict[str, Any]:
    """All that is to be the same whatever happened: what hangs on clocks is left out."""
    found: dict[str, Any] = {"waiting": sum(await core.reader.backlog()), "outbox": [], "parked": []}
    for partition in range(core.keys.count):
        keys = core.keys[partition]
        for _, fields in await core.client.xrange(keys.outbox):
            found["outbox"].append(orjson.loads(fields[b"alert"])["id"])
        for _, fields in await core.client.xrange(keys.parked):
            found["parked"].append((fields[b"r"].decode(), int(fields[b"p"]), fields[b"why"].decode()))
    for run_id, steps in RUNS.items():
        ref = core.ref(run_id)
        record = await core.reader.read_run(ref)
        assert record is not None
        scores = await core.reader.read_scores(ref, 0, 100)
        state = await core.client.hget(core.keys.of_run(ref).run(ref), "state")
        found[run_id] = {
            "steps": (len(steps), record.accepted, record.summary.steps, len(scores)),
            "summary": {name: value for name, value in asdict(record.summary).items() if name != "scored_ms"},
            "scores": [score and score.score for score in scores if score and not score.parked],
            "parked": [position for position, score in enumerate(scores) if score and score.parked],
            "alerts": [(alert["id"], alert["position"]) for alert in await core.reader.read_run_alerts(ref)],
            "state": state,
        }
    found["outbox"].sort()
    return found


def assert_as_offline(found: dict[str, Any]) -> None:
    """The outcome is what it should be in the first place."""
    for run_id, steps in RUNS.items():
        taken = [step for step in steps if not step.get("explode")]
        assert found[run_id]["scores"] == offline_scores(taken)
        assert found[run_id]["parked"] == [position for position, step in enumerate(steps) if step.get("explode")]
    assert [position for _, position in found["a"]["alerts"]] == [1, 3]
    assert found["outbox"] == sorted(name for run_id in RUNS for name, _ in found[run_id]["alerts"])
    assert found["parked"] == [("default:b", 1, "ValueError: this step explodes")]
    assert found["waiting"] == 0
