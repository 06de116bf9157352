"""A worker that dies between any two lines of its code: what comes out is what comes out with no fault.

The lines are found by tracing the work with no fault; then it is done once more for each of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

import service.redis_log.connection
import service.redis_log.partitions
import service.worker.archiving
import service.worker.holding
import service.worker.leases
import service.worker.loop
from service.redis_log.partitions import RedisPartitionLog
from tests.service.conftest import LEASE_MS, Core
from tests.service.faults.client import Faults, FaultyRedis
from tests.service.faults.scenario import KeptArchive, outcome, post_all, until_all_done, work_without_fault

pytestmark = pytest.mark.slow

# A cluster differs in its client alone, which has kills of its own.
KINDS = ("embedded",)

Line = tuple[str, int]
TRACED = {
    str(module.__file__)
    for module in (
        service.redis_log.connection,
        service.redis_log.partitions,
        service.worker.archiving,
        service.worker.holding,
        service.worker.leases,
        service.worker.loop,
    )
}


# What a batch goes through from its scores to Redis's answer, and on into the archive and out of the log.
COMMIT_PATH = {
    "_commit",
    "_write",
    "_alert_notes",
    "to_commit",
    "commit",
    "_commit_call",
    "entry_after",
    "run_script",
    "run_scripts",
    "_evaluate",
    "_pipelined",
    "_measure",
    "_settle",
    "_archive_next",
    "trim",
}


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it, and after it nothing reaches Redis any more."""


class Lines:
    """Notes the lines that run, in the order in which they first do, and kills at one of them."""

    def __init__(self, faults: Faults, fatal: Line | None = None) -> None:
        self.seen: dict[Line, str] = {}
        """The function that each line is of."""
        self._faults = faults
        self._fatal = fatal

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        """See sys.settrace."""
        if frame.f_code.co_filename not in TRACED:
            return None
        line = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line":
            self.seen.setdefault(line, frame.f_code.co_name)
            if line == self._fatal and not self._faults.met.is_set():
                self._faults.met.set()
                raise Killed
        return self.trace

    @contextlib.contextmanager
    def traced(self) -> Iterator[None]:
        """Traces this thread."""
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            yield
        finally:
            sys.settrace(before)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "functions",
    [
        pytest.param(COMMIT_PATH, id="of the commit path"),
        pytest.param(None, id="from leases to commit", marks=pytest.mark.soak),
    ],
)
async def test_a_worker_that_dies_between_any_two_lines_changes_nothing(core: Core, functions: set[str] | None) -> None:
    # Nobody hears of the tasks that are killed, as it is with a killed process.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    faultless = await work_without_fault(core)
    tried: set[Line] = set()
    for careful in (False, True):
        lines = await work_with_a_death_at(core, KeptArchive(), None, careful)
        for line in [line for line, function in lines.items() if functions is None or function in functions]:
            if line in tried:
                continue
            tried.add(line)
            archive = KeptArchive()
            await work_with_a_death_at(core, archive, line, careful)
            async with core.working("w1", crash=True, archive=archive):
                await until_all_done(core)
            assert await outcome(core, archive) == faultless, f"killed at {line}"
    assert len(tried) > (200 if functions is None else 50)
    gc.collect()


async def work_with_a_death_at(core: Core, archive: KeptArchive, line: Line | None, careful: bool) -> dict[Line, str]:
    """Do the work up to the line, or to its end; the lines that ran, in their order, with their functions."""
    await core.client.flushall()
    await post_all(core, careful=careful)
    faults = Faults("dies", after=sys.maxsize)
    lines = Lines(faults, line)
    log = RedisPartitionLog(FaultyRedis(core.client, faults), core.keys, LEASE_MS, archived=True)
    async with core.working("w1", log=lambda _: log, crash=True, archive=archive):
        with lines.traced():
            ends = [asyncio.create_task(until_all_done(core)), asyncio.create_task(faults.met.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in ends:
                task.cancel()
    return lines.seen
