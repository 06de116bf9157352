"""What the core needs of the outside: a log to append to, partitions to own, runs to read, scores to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from monitors.stepview import JsonValue
from service.errors import ServiceError
from service.records import (
    Acknowledgement,
    AlertQuery,
    Appended,
    AuditEntry,
    CommitSignal,
    Cutoffs,
    Deletion,
    Ending,
    Entry,
    FeedPage,
    JsonObject,
    Lease,
    LiveCounts,
    ParkedStep,
    PartitionCommit,
    Registration,
    RunDescription,
    RunProgress,
    RunQuery,
    RunRecord,
    RunRef,
    ScoreRecord,
    StepGroup,
    WorkerReport,
)

if TYPE_CHECKING:
    # A process that scores nothing must not pay for numba and ONNX Runtime.
    from monitors.evidence import Evidence
    from monitors.monitor import Verdict
    from monitors.run_state import RunState


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


class StepArchive(Protocol):
    """Where scored steps go before they leave the log."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Keep these entries; durable when it returns. Blocks. One may come again after a crash. Raises OSError."""
        ...

    def sweep(self, cutoffs: Cutoffs) -> int:
        """Delete what projects have from days that ended before their cutoff; how many days or parts of days were
        touched. Blocks. Raises OSError."""
        ...

    def erase(self, digests: Collection[str], since_ms: int) -> bool:
        """Delete all lines of the runs with these digests (`RunRef.digest`) that were written since a time; False where
        another process still writes to a part, which must be asked again. Blocks. Raises OSError."""
        ...

    def rotate(self) -> None:
        """Write to parts that are new from now on, so that the old ones may be changed."""
        ...


class EndingLog(Protocol):
    """The way on for what is known of runs that are over."""

    async def read_endings(self, partitions: Sequence[int], count: int) -> list[Ending]:
        """The oldest endings of each partition, at most `count` of each."""
        ...

    async def drop_endings(self, read: Sequence[Ending]) -> None:
        """Forget these, which were read, and all before them in their partitions."""
        ...


class EndingArchive(Protocol):
    """Where endings are kept, beside the steps."""

    def write_endings(self, endings: Sequence[Ending]) -> None:
        """Keep these endings; durable when it returns. Blocks. One may come again after a crash. Raises OSError."""
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


class ProjectStore(Protocol):
    """Where projects' settings are kept, as JSON."""

    async def read_projects(self) -> dict[str, bytes]:
        """Every project's settings."""
        ...

    async def swap_project(self, project: str, old: bytes, new: bytes) -> bool:
        """Write new settings if the old ones (b"" for none) still stand; False if not, and nothing was written."""
        ...

    async def delete_project(self, project: str) -> bool:
        """Forget a project's settings; False if there were none."""
        ...


class MonitorRegister(Protocol):
    """Which monitors are registered, and what rests on them."""

    async def read_all(self) -> dict[str, Registration]:
        """All registered monitors by id."""
        ...

    async def find(self, monitor_id: str) -> Registration | None:
        """One of them, None if it is not registered."""
        ...

    async def put(self, registration: Registration) -> None:
        """Register a monitor, or write its registration anew."""
        ...

    async def drop(self, monitor_id: str) -> None:
        """Register a monitor no more."""
        ...

    async def want(self, monitor_id: str, until_ms: int) -> None:
        """Ask every worker to have a monitor loaded until then. One that was refused is tried again."""
        ...

    async def wanted(self, now_ms: int) -> dict[str, int]:
        """What is asked for still, each until when (ms)."""
        ...

    async def count_live(self, monitor_id: str) -> int:
        """How many live runs it scores, or is the shadow of."""
        ...

    async def newest_steps(self) -> list[str]:
        """The newest stored entry of each partition."""
        ...

    async def are_scored(self, newest: Sequence[str]) -> bool:
        """Whether everything up to these entries is scored."""
        ...

    async def shadow_counts(self, project: str, monitor_id: str) -> dict[str, float]:
        """What a shadow came to over a project's runs: `shadowing.COUNTS`, those that are not zero."""
        ...


class BundleStore(Protocol):
    """Where this machine keeps registered bundles."""

    @property
    def root(self) -> Path:
        """The folder of all of them."""
        ...

    def keep(self, bundle: Path) -> tuple[str, Path]:
        """Copy a bundle in, verified; its monitor id, and where it is now. Blocks. Raises BundleError, OSError."""
        ...

    def remove(self, monitor_id: str) -> bool:
        """Delete a bundle; False if it is not here. Blocks."""
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


class RunReader(Protocol):
    """The way to look: nothing here changes anything."""

    async def list_runs(self, query: RunQuery) -> tuple[list[RunRecord], tuple[int, str] | None]:
        """Runs, newest first, and where to go on if there are more."""
        ...

    async def read_run(self, ref: RunRef) -> RunRecord | None:
        """A run's record."""
        ...

    async def read_runs(self, refs: Sequence[RunRef]) -> list[RunRecord | None]:
        """Runs' records, together."""
        ...

    async def read_scores(self, ref: RunRef, first: int, count: int) -> list[ScoreRecord | None]:
        """Scores of consecutive steps from position `first`; None where not scored yet."""
        ...

    async def oldest_run_ms(self, project: str) -> int | None:
        """When the project's oldest run was created; None where none is among the oldest of each partition."""
        ...

    async def read_agents(self, refs: Sequence[RunRef]) -> list[str]:
        """Runs' agents, "" where none was named."""
        ...

    async def read_run_alerts(self, ref: RunRef) -> list[JsonObject]:
        """A run's alerts, by episode, each with what has become of it (`episodes.with_state`)."""
        ...

    async def read_alert(self, project: str, alert_id: str) -> JsonObject | None:
        """One alert, likewise."""
        ...

    async def list_alerts(self, query: AlertQuery) -> tuple[list[JsonObject], tuple[int, str] | None]:
        """Alerts, newest first, each with what has become of it, and where to go on if there are more."""
        ...


class LiveRunCounter(Protocol):
    """Counts runs that have neither ended nor expired."""

    async def live_by_project(self) -> LiveCounts:
        """How many are live in each project; of very many a sample is looked at. Raises TransientError."""
        ...


class Acknowledger(Protocol):
    """The way to say that an alert was seen."""

    async def acknowledge(self, project: str, alert_id: str, acknowledgement: Acknowledgement) -> bool:
        """Write it down, unless there is one already: the first holds. True if this is the first. Raises NotFound."""
        ...


class ScoreWatch(Protocol):
    """Sees one run's scores from the moment it was opened."""

    async def look(self, positions: set[int]) -> None:
        """See what is committed of these positions already: a duplicate's score is told no second time."""
        ...

    async def wait(self, positions: Sequence[int], timeout_s: float) -> dict[int, ScoreRecord]:
        """Scores of these positions as far as they are committed within the time."""
        ...


class ScoreBoard(Protocol):
    """Tells of scores as they are committed, whichever process commits them."""

    def watch(self, ref: RunRef) -> AbstractAsyncContextManager[ScoreWatch]:
        """Watch one run; open it before appending."""
        ...

    def signal(self, ref: RunRef) -> AbstractAsyncContextManager[asyncio.Event]:
        """An event that is set whenever scores of the run are committed. May miss one: look now and then."""
        ...

    def commits(self) -> AbstractAsyncContextManager[CommitSignal]:
        """Hear which partitions commit. May miss one: look now and then."""
        ...


class AuditStore(Protocol):
    """What admins did, by project: appended to, read, never changed. Bounded, so the oldest leave in the end."""

    async def append_entry(self, project: str, entry: AuditEntry) -> None:
        """Write an entry down, durably. Raises TransientError."""
        ...

    async def read_entries(self, project: str, limit: int, before: str = "") -> list[AuditEntry]:
        """A project's entries, newest first; with `before`, an entry's id, only those older than it. Raises
        TransientError."""
        ...


class KeyStore(Protocol):
    """Where keys are kept: a record by key id, each change of any of them with a new version of the whole."""

    async def read_keys(self, known: bytes = b"") -> tuple[bytes, dict[str, bytes]]:
        """The version and all records; the records are left out where the version is the `known` one. Raises
        TransientError."""
        ...

    async def read_key(self, key_id: str) -> bytes | None:
        """One record. Raises TransientError."""
        ...

    async def swap_key(self, key_id: str, old: bytes, new: bytes) -> bool:
        """Write a record where it still is `old` (b"": not there), b"" to delete it; False where it is not. Raises
        TransientError."""
        ...

    async def note_used(self, key_ids: Collection[str], at_ms: int) -> None:
        """Write down that these keys were used. Raises TransientError."""
        ...

    async def read_used(self) -> dict[str, int]:
        """When each key was last used, ms. Raises TransientError."""
        ...


class TokenStore(Protocol):
    """Buckets of tokens that all processes take from."""

    async def take_tokens(self, project: str, rate: float, burst: int, needed: int, portion: int) -> tuple[int, float]:
        """Take what is needed out of a project's bucket, or as much more as makes a portion where it is there; nothing
        where less than needed is there. What was taken, and what was left (a new bucket is full: `burst`; it gains
        `rate` a second). Raises TransientError."""
        ...


class UpdateFeed(Protocol):
    """The latest commits of every partition, bounded, for displays that come and go."""

    async def newest(self) -> dict[int, str]:
        """The last entry of each partition, "0-0" where there is none."""
        ...

    async def read(self, after: Mapping[int, str], count: int) -> FeedPage:
        """Entries after each partition's id, at most `count` of each."""
        ...

    async def is_cut(self, after: Mapping[int, str]) -> bool:
        """True if entries after some partition's id may have left the feed already."""
        ...


class WaitingSteps(Protocol):
    """Raw steps that are in the log still."""

    async def read(self, ref: RunRef, wanted: Collection[int], since_ms: int) -> dict[int, bytes]:
        """The JSON of a run's steps at these positions that are in the log, by position; those stored before `since_ms`
        are not looked for. Raises LogUnavailable."""
        ...


class ArchivedSteps(Protocol):
    """Raw steps that were archived on this machine."""

    @property
    def is_there(self) -> bool:
        """False where this machine has no archive."""
        ...

    def read(self, ref: RunRef, wanted: Mapping[int, int], most_bytes: int) -> tuple[dict[int, bytes], bool]:
        """The JSON of a run's steps by position; `wanted` says when each was received (ms). At most about so many bytes
        of them; False where there was more to look through than one request may."""
        ...


class LiveMonitor(Protocol):
    """What a worker needs of a monitor; `monitors.Monitor` is one."""

    @property
    def monitor_id(self) -> str:
        """The bundle's content hash."""
        ...

    @property
    def device(self) -> str:
        """Where the graph runs."""
        ...

    def initial_state(self, group: str = "") -> RunState:
        """The state of a run of a group without steps."""
        ...

    def advance(self, states: Sequence[RunState], raw_steps: Sequence[JsonValue]) -> list[tuple[RunState, Verdict]]:
        """The next state and the verdict for one raw step of each of several runs. Pure."""
        ...

    def explain(
        self,
        state: RunState,
        raw_step: JsonValue,
        score_before: float | None = None,
        turn_symbols: Sequence[int] | None = None,
    ) -> Evidence:
        """What a raw step did to a run in the state before it. Pure. `score_before` is None for a run's first step;
        `turn_symbols` are its turns' event symbols, this step's included, None where they are not known."""
        ...


class MonitorShelf(Protocol):
    """The monitors that a worker can score with."""

    @property
    def active_id(self) -> str:
        """The monitor that new runs begin with."""
        ...

    def find(self, monitor_id: str) -> LiveMonitor:
        """A loaded monitor. Raises NotFound, whose text says why it is not there."""
        ...
