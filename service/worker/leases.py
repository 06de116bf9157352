"""Keeps a worker's share of the partitions: acquires, renews, and gives up what others should have."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import random
import time
from collections.abc import Callable, Mapping

from service.errors import TransientError
from service.ports import PartitionLog
from service.records import WorkerReport
from service.worker.holding import Holding

log = logging.getLogger(__name__)

REMEMBERED_RUNS = 16_384
# A worker that has not reported for so many leases' time counts as gone when partitions are shared out.
GONE_AFTER_LEASES = 1.5


class LeaseKeeper:
    """Holds this worker's partitions. `held` is what may be read; a partition leaves it before its lease is
    released. `describe` gives the loaded monitors and the device, `stock` what is refused and which wishes were
    answered, for the worker's report."""

    def __init__(
        self,
        log_: PartitionLog,
        owner: str,
        partitions: int,
        lease_ms: int,
        describe: Callable[[], tuple[tuple[str, ...], str]],
        stock: Callable[[], tuple[Mapping[str, str], Mapping[str, int]]] = lambda: ({}, {}),
    ) -> None:
        self._log = log_
        self.owner = owner
        self._partitions = partitions
        self._lease_s = lease_ms / 1000
        self._describe = describe
        self._stock = stock
        self._leaving: list[Holding] = []
        self._nudged = asyncio.Event()
        self.held: dict[int, Holding] = {}
        self.gained = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the share until `stop`; does not release (see `release_all`)."""
        while not stop.is_set():
            try:
                await self.tick()
                # Jitter, so that workers that start together do not go on asking together.
                pause_s = self._lease_s / 4 * random.uniform(0.8, 1.2)
            except TransientError as error:
                log.warning("leases cannot be kept: %s", error)
                pause_s = 0.2
            except Exception:
                # Whatever it was, the leases must go on being kept: without them nobody would score.
                log.exception("leases could not be kept")
                pause_s = 1.0
            self._nudged.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), pause_s)

    def nudge(self) -> None:
        """Look at once: something has changed."""
        self._nudged.set()

    async def tick(self) -> None:
        """One look: report, renew, release what is to go, acquire what is missing."""
        await self._renew()
        share = await self._share()
        for holding in sorted(self.held.values(), key=lambda one: one.lease.partition)[share:]:
            holding.leaving = True
            del self.held[holding.lease.partition]
            self._leaving.append(holding)
        await self._release_idle()
        if len(self.held) < share and await self._acquire(share):
            # Said at once, so that readiness need not wait for the next look.
            await self._share()

    def lose(self, holding: Holding) -> None:
        """Give a partition up without releasing it: what Redis holds of it decides."""
        holding.lost = True
        if self.held.get(holding.lease.partition) is holding:
            del self.held[holding.lease.partition]
        if holding in self._leaving:
            self._leaving.remove(holding)

    async def release_all(self) -> None:
        """Give everything back, and say goodbye: nothing may be in flight any more."""
        leases = [holding.lease for holding in (*self.held.values(), *self._leaving)]
        self.held.clear()
        self._leaving.clear()
        await self._log.release(leases, self.owner)
        await self._log.withdraw(self.owner)

    async def _renew(self) -> None:
        holdings = [*self.held.values(), *self._leaving]
        if not holdings:
            return
        kept = await self._log.renew([holding.lease for holding in holdings], self.owner)
        for holding, still in zip(holdings, kept, strict=True):
            if not still:
                log.warning("partition %d belongs to another worker now", holding.lease.partition)
                self.lose(holding)

    async def _share(self) -> int:
        monitors, device = self._describe()
        now_ms = time.time_ns() // 1_000_000
        refused, tried = self._stock()
        report = WorkerReport(
            self.owner, now_ms, os.getpid(), tuple(sorted(self.held)), monitors, device, dict(refused), dict(tried)
        )
        since_ms = now_ms - self._lease_s * 1000 * GONE_AFTER_LEASES
        alive = sum(1 for known in await self._log.report(report) if known.seen_ms >= since_ms)
        return math.ceil(self._partitions / max(1, alive))

    async def _release_idle(self) -> None:
        idle = [holding for holding in self._leaving if holding.in_flight == 0]
        if idle:
            await self._log.release([holding.lease for holding in idle], self.owner)
            self._leaving = [holding for holding in self._leaving if holding not in idle]
            log.info("partitions %s go to other workers", [holding.lease.partition for holding in idle])

    async def _acquire(self, share: int) -> int:
        leaving = {holding.lease.partition for holding in self._leaving}
        wanted = [
            partition
            for partition in range(self._partitions)
            if partition not in self.held and partition not in leaving
        ]
        random.shuffle(wanted)
        # All at once in the end: a read that began on the first few would keep the others waiting.
        gained: dict[int, Holding] = {}
        try:
            for partition in wanted:
                if len(self.held) + len(gained) >= share:
                    break
                lease = await self._log.acquire(partition, self.owner)
                if lease is not None:
                    gained[partition] = Holding(lease, max(64, REMEMBERED_RUNS // self._partitions))
        finally:
            # Also where one partition's server is away: what is held of the others must be worked on.
            if gained:
                self.held |= gained
                self.gained.set()
        return len(gained)
