"""The work that faults disturb, and all that is to come out of it whatever they do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from service.records import Entry
from tests.service.conftest import Core
from tests.service.fakes import offline_scores

# Runs in several partitions: two alert episodes, a step to be parked, a step of no known kind, a run of one step.
RUNS: dict[str, list[dict[str, Any]]] = {
    "a": [{"n": 0}, {"n": 1, "bad": 3}, {"n": 2, "bad": -3}, {"n": 3, "bad": 3}, {"n": 4}],
    "b": [{"n": 0}, {"n": 1, "explode": True}, {"n": 2}],
    "c": [{"n": 0, "odd": True}, {"n": 1, "bad": 2.5}],
    "d": [{"n": 0}],
}


async def in_log(core: Core) -> int:
    """How many steps the log holds, scored or not."""
    return sum([await core.client.xlen(core.keys[partition].steps) for partition in range(core.keys.count)])


class KeptArchive:
    """A StepArchive that outlives its writers, as files do."""

    def __init__(self) -> None:
        self.kept: set[tuple[str, int, bytes]] = set()

    def write(self, entries: Sequence[Entry]) -> None:
        """See `ports.StepArchive.write`. A step may come twice: a reader takes the first."""
        self.kept |= {(entry.ref.run_id, entry.position, entry.data) for entry in entries}

    def sweep(self, older_than_ms: int) -> int:
        """See `ports.StepArchive.sweep`."""
        return 0


ARCHIVED = {(run_id, place, orjson.dumps(step)) for run_id, steps in RUNS.items() for place, step in enumerate(steps)}


async def post_all(core: Core, *, careful: bool = False) -> None:
    """Store all steps; `careful` as if each partition's owners had died so often that its steps go entry by entry."""
    if careful:
        for partition in range(core.keys.count):
            await core.client.hset(core.keys[partition].cursor, "attempts", 7)
    for run_id, steps in RUNS.items():
        await core.post(run_id, *(orjson.dumps(step) for step in steps))


async def until_all_done(core: Core) -> None:
    """Return once every step is scored or parked, archived, and gone from the log."""
    for run_id, steps in RUNS.items():
        await core.until_scored(run_id, len(steps))
    async with asyncio.timeout(20):
        while await in_log(core):  # noqa: ASYNC110 - Redis has no event for this
            await asyncio.sleep(0.005)


async def outcome(core: Core, archive: KeptArchive) -> dict[str, Any]:
    """All that is to be the same whatever happened: what hangs on clocks is left out."""
    assert archive.kept == ARCHIVED
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


async def work_without_fault(core: Core) -> dict[str, Any]:
    """The outcome with no fault; fails where it is not what the monitor alone gives."""
    core.archived, archive = True, KeptArchive()
    await post_all(core)
    async with core.working(archive=archive):
        await until_all_done(core)
    found = await outcome(core, archive)
    assert_as_offline(found)
    return found
