"""The durable log: the way in, the way through, and what becomes of runs and steps in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from service.errors import ServiceError
from service.records import (
    Appended,
    Cutoffs,
    Deletion,
    Ending,
    Entry,
    Lease,
    ParkedStep,
    PartitionCommit,
    RunDescription,
    RunProgress,
    RunRef,
    StepGroup,
    WorkerReport,
)


class StepLog(Protocol):
    """The way in. What returns is durable."""

    async def append(self, groups: Sequence[StepGroup]) -> list[list[Appended | ServiceError]]:
        """Store each group's steps at the end of its run; the answer to each step is where it stands, or why it was not
        stored. A known client id is answered with the position it has already.

        A group whose run takes nothing more (RunClosed, RunFull, Crowded, Overloaded) is refused whole; StepLate and
        IdReused concern one step. LogUnavailable as an answer: unknown whether stored. Raises Overloaded where nothing
        of any group was stored.
        """
        ...

    async def describe(self, ref: RunRef, description: RunDescription, monitor_id: str) -> bool:
        """Write what is said of a run; True if the run is new. Raises Crowded."""
        ...

    async def end(self, ref: RunRef) -> None:
        """Close a run for steps. Raises NotFound."""
        ...

    async def set_outcome(self, ref: RunRef, *, success: bool, intervened: bool | None) -> bool:
        """Write or correct a run's outcome, and close it; True unless it was said just so before. Raises NotFound."""
        ...

    async def delete_outcome(self, ref: RunRef) -> bool:
        """Take a run's outcome back: the run stays closed, without one. False if there was none. Raises NotFound."""
        ...


class TraceRuns(Protocol):
    """Which runs traces belong to, as their spans have named them."""

    async def find(self, project: str, named: Mapping[str, str], asked: Collection[str]) -> dict[str, str]:
        """The runs of these traces, as far as known. `named`: traces of which a span names the run now, by trace; what
        was named first stands. `asked`: others. Raises LogUnavailable."""
        ...


class PartitionLog(Protocol):
    """The way through: what the owner of partitions does."""

    async def acquire(self, partition: int, owner: str) -> Lease | None:
        """The lease, with a new fence, or None while another owner holds it."""
        ...

    async def renew(self, leases: Sequence[Lease], owner: str) -> list[bool]:
        """Which of the leases are still the owner's; those last longer now."""
        ...

    async def release(self, leases: Sequence[Lease], owner: str) -> None:
        """Give leases back, so that another owner need not wait for them to run out."""
        ...

    async def read(self, cursors: Mapping[int, str], count: int, block_ms: int) -> list[Entry]:
        """Entries after each partition's cursor, in order, at most `count` of each; waits up to `block_ms` for a
        first one."""
        ...

    async def load(self, refs: Sequence[RunRef]) -> list[RunProgress]:
        """What is committed of these runs."""
        ...

    async def read_descriptions(self, refs: Sequence[RunRef]) -> list[RunDescription]:
        """What callers said of these runs."""
        ...

    async def read_records(self, steps: Mapping[RunRef, int]) -> list[bytes]:
        """The stored score records of each run's first so many steps, 32 bytes each, as far as they are committed."""
        ...

    async def commit(self, commits: Sequence[PartitionCommit]) -> list[bool]:
        """Write each partition's batch atomically; False where the fence has moved on and nothing was written."""
        ...

    async def read_between(self, partition: int, after: str, until: str, count: int) -> list[Entry]:
        """Up to `count` entries after one entry's id and up to another's, in order."""
        ...

    async def trim(self, archived: Sequence[tuple[Lease, str]]) -> list[bool]:
        """Take out of each stream what is archived, up to this entry's id; False where the fence has moved on."""
        ...

    async def tidy(self, lease: Lease, *, early_ms: int, idle_ms: int, held_ms: int = 0) -> int:
        """End the wait of early steps that wait since before `early_ms` and of spans since before `held_ms`, and take
        runs without a step since `idle_ms` off the live ones, some at a time; how many were touched."""
        ...

    async def suspect(self, lease: Lease, entry_id: str) -> bool:
        """Note that this entry is being scored alone now; False where the fence has moved on."""
        ...

    async def sweep(self, lease: Lease, cutoffs: Cutoffs) -> int:
        """Delete runs idle since before their project's cutoff, a few at a time; how many."""
        ...

    async def report(self, report: WorkerReport) -> list[WorkerReport]:
        """Say that a worker is alive; all workers' last reports."""
        ...

    async def withdraw(self, worker: str) -> None:
        """Take a worker's report away: it is leaving."""
        ...


class EndingLog(Protocol):
    """The way on for what is known of runs that are over."""

    async def read_endings(self, partitions: Sequence[int], count: int) -> list[Ending]:
        """The oldest endings of each partition, at most `count` of each."""
        ...

    async def drop_endings(self, read: Sequence[Ending]) -> None:
        """Forget these, which were read, and all before them in their partitions."""
        ...


class DeletionLog(Protocol):
    """Deletions of runs, from when they are asked for until nothing of the run is left."""

    async def ask(self, ref: RunRef, now_ms: int) -> Deletion:
        """Have a run deleted, if it is there or not; asking again begins anew."""
        ...

    async def find(self, project: str, deletion_id: str, now_ms: int) -> Deletion | None:
        """A deletion of the project, and when it was done if every worker that is up has done its part."""
        ...

    async def waiting(self, partitions: Sequence[int]) -> list[tuple[int, RunRef]]:
        """Runs of these partitions that are still to be erased."""
        ...

    async def erase(self, lease: Lease, ref: RunRef, before_last: Callable[[], Awaitable[None]]) -> bool:
        """Erase a run from its partition; False where the fence has moved on. To be called between two batches of its
        owner. `before_last` is called when no more comes of the run and its record is still there; whoever dies before
        the end does it all again."""
        ...

    async def erased(self, ref: RunRef, now_ms: int) -> None:
        """Note that a run is gone from Redis."""
        ...

    async def unclean(self, worker: str, now_ms: int) -> list[Deletion]:
        """Deletions of erased runs that this worker has not noted as gone from its archive."""
        ...

    async def clean(self, deletion: Deletion, worker: str, now_ms: int) -> None:
        """Note that a run is gone from the worker's archive."""
        ...


class Parking(Protocol):
    """The place for steps that could not be scored: to look at, put back, or throw away."""

    async def list_parked(self, limit: int, ref: RunRef | None = None) -> list[ParkedStep]:
        """Parked steps without their data, the longest parked first; of one run where given."""
        ...

    async def find(self, parked_id: str) -> ParkedStep:
        """A parked step with its data. Raises NotFound."""
        ...

    async def release(self, parked: ParkedStep) -> int:
        """Put a step back to be scored, atomically; its new position, the run's next. Raises NotFound where it is
        parked no more or its run was deleted."""
        ...

    async def drop(self, parked: Sequence[ParkedStep]) -> int:
        """Delete parked steps; how many there were."""
        ...

    async def counts(self) -> list[int]:
        """Parked steps by partition."""
        ...
