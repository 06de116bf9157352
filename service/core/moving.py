"""What moved a run's score at each step, asked of the monitor again: the steps are scored anew from the first."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import orjson

from service.core.evidence import clean
from service.core.run_steps import RunStep
from service.errors import NotFound
from service.ports import LiveMonitor

log = logging.getLogger(__name__)

# Steps scored again for one request, and how long it may take: later steps go without.
REPLAYED_AT_MOST = 1000
WITHIN_S = 2.0
# So long a request waits for others; then it is answered without.
TURN_S = 5.0
# Graphs on another device give other last digits.
TOLERANCE = 1e-3

FindMonitor = Callable[[str], Awaitable[LiveMonitor]]


@dataclass(frozen=True, slots=True)
class Moved:
    """What a field, or with a `text` one or two words in it, did to the score; positive is worse."""

    field: str
    text: str
    weight: float


class Moving:
    """Explains steps of one run at a time, off the event loop."""

    def __init__(self, find_monitor: FindMonitor) -> None:
        self._find_monitor = find_monitor
        self._one_at_a_time = asyncio.Semaphore(1)

    async def explain(self, monitor_id: str, steps: Sequence[RunStep], first: int) -> dict[int, list[Moved]]:
        """What moved the score at the steps from position `first` on, by position. `steps` begin with the run's first.
        A step is left out where that cannot be told: a raw step before it is not to be had, or it scores otherwise
        now than it did."""
        if not monitor_id or not steps or steps[0].data is None:
            return {}
        try:
            async with asyncio.timeout(TURN_S):
                await self._one_at_a_time.acquire()
        except TimeoutError:
            return {}
        try:
            monitor = await self._find_monitor(monitor_id)
            return await asyncio.to_thread(explain_steps, monitor, steps, first)
        except NotFound as error:
            log.info("what moved a run cannot be told: %s", error)
            return {}
        finally:
            self._one_at_a_time.release()


def explain_steps(monitor: LiveMonitor, steps: Sequence[RunStep], first: int) -> dict[int, list[Moved]]:
    """See `Moving.explain`."""
    moved: dict[int, list[Moved]] = {}
    until = time.monotonic() + WITHIN_S
    state, score = monitor.initial_state(), None
    for step in steps:
        if step.record is not None and step.record.parked:
            continue
        if step.data is None or step.record is None or time.monotonic() > until:
            break
        try:
            raw_step = orjson.loads(step.data)
            ((after, verdict),) = monitor.advance([state], [raw_step])
            if not math.isclose(verdict.score, step.record.score, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                break
            if step.position >= first:
                evidence = monitor.explain(state, raw_step, score)
                parts = [Moved(one.field, "", round(one.effect, 4)) for one in evidence.fields]
                parts += [Moved(one.field, clean(one.text), round(one.effect, 4)) for one in evidence.ngrams]
                moved[step.position] = sorted(parts, key=lambda one: -abs(one.weight))
        except Exception:
            log.exception("what moved a run cannot be told from position %d on", step.position)
            break
        state, score = after, verdict.score
    return moved
