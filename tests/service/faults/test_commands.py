"""A worker that fails between any two commands to Redis: what comes out is what comes out with no fault.

The points are found by counting: the fault comes after 0 commands, after 1, … until the work is done before it comes.
"""

from __future__ import annotations

import asyncio
import itertools

import pytest

from service.redis_log.partitions import RedisPartitionLog
from tests.service.conftest import LEASE_MS, Core
from tests.service.faults.client import Faults, FaultyRedis, Kind
from tests.service.faults.scenario import KeptArchive, outcome, post_all, until_all_done, work_without_fault

pytestmark = pytest.mark.slow

# A cluster differs in its client alone, which has kills of its own.
KINDS = ("embedded",)


@pytest.fixture(params=["together", "entry by entry"])
def careful(request: pytest.FixtureRequest) -> bool:
    """Whether the partitions' owners died so often before that they are scored entry by entry."""
    return bool(request.param == "entry by entry")


@pytest.mark.parametrize("kind", ["dies", "answer is lost"])
async def test_a_worker_that_fails_between_any_two_commands_changes_nothing(
    core: Core, kind: Kind, careful: bool
) -> None:
    faultless = await work_without_fault(core)
    for after in itertools.count(0 if kind == "dies" else 1):
        await core.client.flushall()
        await post_all(core, careful=careful)
        faults = Faults(kind, after)
        archive = KeptArchive()
        log = RedisPartitionLog(FaultyRedis(core.client, faults), core.keys, LEASE_MS, archived=True)
        async with core.working("w1", log=lambda _, log=log: log, crash=True, archive=archive):
            working = asyncio.create_task(until_all_done(core))
            died = asyncio.create_task(faults.met.wait())
            ended = [working, died] if kind == "dies" else [working]
            done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED, timeout=20)
            assert done, f"the worker neither dies nor ends its work: fault {after}, {faults.where}"
            for task in (working, died):
                task.cancel()
        if kind == "dies":
            # Under the same name, as the supervisor starts it again: it need not wait for the leases to run out.
            async with core.working("w1", crash=True, archive=archive):
                await until_all_done(core)
        assert await outcome(core, archive) == faultless, f"fault {after}: {faults.where}"
        if not faults.where:
            break
    # Leases, a read, the runs' progress, a commit and a trim in each partition: less would be a test of nothing.
    assert after > 3 * core.keys.count
