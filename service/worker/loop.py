"""Reads, scores and commits: batch after batch over the partitions that the worker holds.

While one batch is being committed the next is read and scored, so that neither Redis's disk nor the monitor waits for
the other. A batch holds what
came while the one before was scored: one step when it is quiet, many when it is not; nothing ever waits for a batch
to fill.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from service.core.alerting import Alerting
from service.core.evaluations import EvaluationSink
from service.core.privacy.keeping import keeps_all, without_content
from service.core.scoring import IsControl, RunMemory, ScoredBatch, ScoredRun, no_control, park, score_batch
from service.core.shadowing import add_counts, count_changes
from service.errors import TransientError
from service.ports import PartitionLog
from service.records import Entry, ParkedEntry, PartitionCommit, RunCommit, RunProgress, RunRef
from service.telemetry import WorkerMetrics
from service.worker.evaluating import to_evaluations
from service.worker.holding import Holding
from service.worker.leases import LeaseKeeper
from service.worker.noting import AlertNoter, Notes
from service.worker.shelf import LoadedMonitors

log = logging.getLogger(__name__)

# How long a read waits for a first step, and so how soon a partition gained meanwhile is read too.
BLOCK_MS = 200
# A read takes so many bytes and entries of the streams; how many entries that is follows from the sizes seen.
READ_BYTES = 8 * 2**20
READ_AT_MOST = 256

ToMemory = Callable[[RunProgress], RunMemory]


@dataclass(slots=True)
class _Ready:
    """A scored batch on its way to Redis: partitions' entries, in order, and what they came to."""

    holdings: dict[int, Holding]
    entries: dict[int, list[Entry]]
    batch: ScoredBatch


class ScoringLoop:
    """Runs until told to stop, then commits what is scored. `to_memory` makes a run's memory of what Redis holds;
    `archive` is told of a partition's entries once they are committed."""

    def __init__(
        self,
        log_: PartitionLog,
        leases: LeaseKeeper,
        shelf: LoadedMonitors,
        metrics: WorkerMetrics,
        to_memory: ToMemory,
        archive: Callable[[Holding, Sequence[Entry]], None] | None = None,
        alerting: Alerting | None = None,
        is_control: IsControl = no_control,
        keeps_content: Callable[[str], bool] = keeps_all,
        evaluations: EvaluationSink | None = None,
    ) -> None:
        self._log = log_
        self._leases = leases
        self._shelf = shelf
        self._metrics = metrics
        self._to_memory = to_memory
        self._archive = archive
        self._is_control = is_control
        self._keeps_content = keeps_content
        self._evaluations = evaluations
        self._noter = AlertNoter(log_, shelf, alerting or Alerting(), keeps_content)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scoring")
        self._entry_bytes = 16_384.0
        self._asides: list[tuple[int, Callable[[Holding], Awaitable[bool]], asyncio.Future[bool]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._committing_runs: frozenset[RunRef] = frozenset()

    async def aside(self, partition: int, work: Callable[[Holding], Awaitable[bool]]) -> bool:
        """Do something to a held partition between two batches, when all that was scored is committed; what it gives,
        False where the partition is not held any more."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asides.append((partition, work, done))
        return await done

    async def _do_asides(self) -> None:
        await self._settle()
        asides, self._asides = self._asides, []
        for partition, work, done in asides:
            holding = self._leases.held.get(partition)
            try:
                result = holding is not None and not holding.lost and await work(holding)
            except Exception as error:  # noqa: BLE001 - whoever asked hears of it, and scoring goes on
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

    async def run(self, stop: asyncio.Event) -> None:
        """Score until `stop`. What fails for a time is tried again; whatever else happens to a batch, its partitions
        start over at the cursor."""
        while not stop.is_set():
            holdings = dict(self._leases.held)
            if not holdings:
                self._leases.gained.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._leases.gained.wait(), 0.1)
                continue
            try:
                if self._asides:
                    await self._do_asides()
                await self._round(holdings)
            except TransientError as error:
                log.warning("scoring pauses: %s", error)
                await self._start_over(holdings.values())
            except Exception:
                log.exception("a batch failed and its partitions start over")
                await self._start_over(holdings.values())
        await self._settle()
        self._thread.shutdown()
        self._noter.close()

    async def _round(self, holdings: dict[int, Holding]) -> None:
        cursors = {partition: holding.read_cursor for partition, holding in holdings.items()}
        entries = await self._log.read(cursors, self._count(len(holdings)), BLOCK_MS)
        entries = [
            entry for entry in entries if not holdings[entry.partition].lost and not holdings[entry.partition].leaving
        ]
        if not entries:
            await self._settle()
            return
        seen = sum(len(entry.data) for entry in entries) / len(entries)
        self._entry_bytes += 0.3 * (seen - self._entry_bytes) if seen < self._entry_bytes else seen - self._entry_bytes
        careful = [entry for entry in entries if holdings[entry.partition].careful]
        usual = [entry for entry in entries if not holdings[entry.partition].careful]
        if usual:
            ready = await self._score(holdings, usual)
            await self._settle()
            for holding in ready.holdings.values():
                holding.in_flight += 1
            self._committing_runs = frozenset(ready.batch.runs)
            self._committing = asyncio.create_task(self._commit(ready), name="commit")
        if careful:
            await self._settle()
            await self._go_carefully(holdings, careful)

    async def _score(self, holdings: dict[int, Holding], entries: list[Entry], *, shadows: bool = True) -> _Ready:
        memories = await self._recall(holdings, entries)
        now_ms = time.time_ns() // 1_000_000
        batch = await asyncio.get_running_loop().run_in_executor(
            self._thread,
            lambda: score_batch(entries, memories, self._shelf.find, now_ms, self._is_control, shadows=shadows),
        )
        together = by_partition(entries)
        for partition, own in together.items():
            holding = holdings[partition]
            holding.read_cursor = own[-1].entry_id
            holding.remember({entry.ref: batch.runs[entry.ref].memory for entry in own if entry.ref in batch.runs})
        return _Ready({partition: holdings[partition] for partition in together}, together, batch)

    async def _recall(self, holdings: dict[int, Holding], entries: Sequence[Entry]) -> dict[RunRef, RunMemory]:
        memories: dict[RunRef, RunMemory] = {}
        missing: list[RunRef] = []
        for entry in entries:
            if entry.ref not in memories:
                memory = holdings[entry.partition].recall(entry.ref)
                if memory is None:
                    missing.append(entry.ref)
                else:
                    memories[entry.ref] = memory
        if missing:
            missing = list(dict.fromkeys(missing))
            if not self._committing_runs.isdisjoint(missing):
                # Forgotten while its state is on its way to Redis: it must be there before it is read back.
                await self._settle()
            progress = await self._log.load(missing)
            memories |= {ref: self._to_memory(one) for ref, one in zip(missing, progress, strict=True)}
        # Remembered runs too: what was loaded for them may have had to make room since.
        await self._shelf.fetch(monitors_of(memories.values()))
        return memories

    async def _commit(self, ready: _Ready) -> None:
        try:
            await self._write(ready)
        except Exception as error:  # noqa: BLE001 - whatever it was, only Redis knows what was written: start over there
            log.warning("a commit failed, its partitions start over: %s", error)
            for holding in ready.holdings.values():
                self._lose(holding)
        finally:
            for holding in ready.holdings.values():
                holding.in_flight -= 1

    async def _write(self, ready: _Ready) -> None:
        alerted = {ref for ref, run in ready.batch.runs.items() if run.alerts}
        waiting = {
            partition
            for partition, own in ready.entries.items()
            if alerted and not alerted.isdisjoint([entry.ref for entry in own])
        }
        # What an alert is to say takes a while to find out: only its own partition waits for it.
        await self._commit_partitions(ready, ready.entries.keys() - waiting, {})
        if waiting:
            await self._commit_partitions(ready, waiting, await self._noter.note(ready.batch))
        self._measure(ready)

    async def _commit_partitions(self, ready: _Ready, partitions: Iterable[int], notes: Notes) -> None:
        holdings = [holding for partition in partitions if not (holding := ready.holdings[partition]).lost]
        if not holdings:
            return
        written = await self._log.commit(
            [to_commit(holding, ready, notes, self._keeps_content) for holding in holdings]
        )
        now_us = time.time_ns() // 1000
        took_s: list[float] = []
        for holding, is_written in zip(holdings, written, strict=True):
            entries = ready.entries[holding.lease.partition]
            if is_written:
                took_s += [(now_us - entry.received_us) / 1e6 for entry in entries]
                if self._archive is not None:
                    self._archive(holding, [one for one in entries if self._keeps_content(one.ref.project)])
                    holding.unarchived.reach(entries[-1].entry_id)
                if self._evaluations is not None:
                    self._evaluations.offer(to_evaluations(entries, ready.batch, notes))
            else:
                log.warning("partition %d belongs to another worker now: nothing was written", holding.lease.partition)
                self._lose(holding)
        self._metrics.event_to_score_seconds.labels(self._shelf.device).observe_many(took_s)
        for ref, opened in notes.items():
            for note in opened:
                monitor_id = ready.batch.runs[ref].memory.monitor_id
                if note.hidden:
                    self._metrics.hidden_alerts.labels(monitor_id).inc()
                else:
                    self._metrics.alerts.labels(monitor_id, note.severity).inc()

    def _measure(self, ready: _Ready) -> None:
        metrics = self._metrics
        metrics.batch_steps.observe(sum([len(own) for own in ready.entries.values()]))
        for (monitor_id, where, known), steps in ready.batch.known.items():
            metrics.scored.labels(monitor_id, where, "yes" if known else "no").inc(steps)
        for monitor_id, coverage in ready.batch.coverage.items():
            metrics.count_coverage(monitor_id, coverage)
        for run in ready.batch.runs.values():
            if run.memory.shadow is not None and run.shadow_before is not None:
                shadow = run.memory.shadow
                metrics.shadows.add(shadow.monitor_id, count_changes(run.shadow_before, shadow.summary))
        for parked in ready.batch.parked:
            metrics.parked.inc()
            if not self._keeps_content(parked.entry.ref.project):
                parked = without_content(parked)  # noqa: PLW2901 - the log keeps what Redis keeps
            log.error(
                "run %s, position %d is parked: %s", parked.entry.ref.run_id, parked.entry.position, parked.reason
            )

    async def _go_carefully(self, holdings: dict[int, Holding], entries: list[Entry]) -> None:
        """Entry by entry, each named in Redis before it is touched: the one that kills its owners is found, and
        parked."""
        for entry in entries:
            holding = holdings[entry.partition]
            if holding.lost:
                continue
            if holding.is_killer(entry.entry_id):
                reason = f"{holding.lease.suspicion} workers in a row died while scoring it"
                await self._write(await self._set_aside(holding, entry, reason))
                continue
            if not await self._log.suspect(holding.lease, entry.entry_id):
                self._lose(holding)
                continue
            # Whose death it was at this entry, the run's own monitor's or its shadow's, nobody knows: the run is worth
            # more, and goes on without the shadow before it is taken for the killer.
            suspected = holding.lease.suspect == entry.entry_id
            ready = await self._score({entry.partition: holding}, [entry], shadows=not suspected)
            try:
                await self._write(ready)
            except TransientError:
                raise
            except Exception as error:  # noqa: BLE001 - Redis refuses this very entry's effect: set it aside
                await self._write(await self._set_aside(holding, entry, f"its commit failed: {error}"))
        for holding in holdings.values():
            holding.careful = False

    async def _set_aside(self, holding: Holding, entry: Entry, reason: str) -> _Ready:
        (progress,) = await self._log.load([entry.ref])
        run = ScoredRun(self._to_memory(progress), entry.position)
        park(run, entry, time.time_ns() // 1_000_000)
        holding.read_cursor = entry.entry_id
        holding.remember({entry.ref: run.memory})
        batch = ScoredBatch({entry.ref: run}, [ParkedEntry(entry, reason)])
        return _Ready({entry.partition: holding}, {entry.partition: [entry]}, batch)

    def _count(self, partitions: int) -> int:
        return max(1, min(READ_AT_MOST, int(READ_BYTES / self._entry_bytes / partitions)))

    def _lose(self, holding: Holding) -> None:
        if not holding.lost:
            self._metrics.lost.inc()
        self._leases.lose(holding)
        self._leases.nudge()

    async def _settle(self) -> None:
        if self._committing is not None:
            await asyncio.shield(self._committing)
            self._committing, self._committing_runs = None, frozenset()

    async def _start_over(self, holdings: Iterable[Holding]) -> None:
        await self._settle()
        for holding in holdings:
            self._lose(holding)
        await asyncio.sleep(0.1)


def by_partition(entries: Iterable[Entry]) -> dict[int, list[Entry]]:
    """The entries of each partition, in the order given."""
    together: dict[int, list[Entry]] = {}
    for entry in entries:
        together.setdefault(entry.partition, []).append(entry)
    return together


def to_commit(
    holding: Holding, ready: _Ready, notes: Notes, keeps_content: Callable[[str], bool] = keeps_all
) -> PartitionCommit:
    """All that the batch changes of one partition."""
    partition = holding.lease.partition
    entries = ready.entries[partition]
    refs = dict.fromkeys(entry.ref for entry in entries)
    runs = []
    shadow_counts: dict[tuple[str, str, str], float] = {}
    for ref in refs:
        run = ready.batch.runs.get(ref)
        if run is not None:
            state = b"" if run.memory.state is None else run.memory.state.to_bytes()
            shadow, moved = run.memory.shadow, run.shadow_before
            commit = RunCommit(
                ref, state, run.memory.summary, run.first_position, tuple(run.scores), notes.get(ref, ())
            )
            if shadow is not None and moved is not None:
                add_counts(shadow_counts, ref, shadow, moved)
                shadow_state = b"" if shadow.state is None else shadow.state.to_bytes()
                commit = replace(commit, shadow_state=shadow_state, shadow=shadow.summary)
            runs.append(commit)
    parked = tuple(
        one if keeps_content(one.entry.ref.project) else without_content(one)
        for one in ready.batch.parked
        if one.entry.partition == partition
    )
    dropped = tuple(entry.entry_id for entry in entries if not keeps_content(entry.ref.project))
    return PartitionCommit(
        partition, holding.lease.fence, entries[-1].entry_id, tuple(runs), parked, len(entries), shadow_counts, dropped
    )


def monitors_of(memories: Iterable[RunMemory]) -> set[str]:
    """The monitors that score these runs, shadows included."""
    wanted = set()
    for memory in memories:
        wanted.add(memory.monitor_id)
        if memory.shadow is not None and memory.shadow.is_scoring:
            wanted.add(memory.shadow.monitor_id)
    return wanted
