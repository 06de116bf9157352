"""The data that cross the service's ports: identities, steps, scores, runs, leases, commits. Plain values; no I/O."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal, NamedTuple, get_args

import orjson

DEFAULT_PROJECT = "default"

Shape = Literal["secrets", "email", "card", "phone"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
"""What can be masked by itself; see `core.shapes`."""


class RunRef(NamedTuple):
    """A run's identity everywhere: (project, run_id). A tuple, since it is looked up some ten times a step."""

    project: str
    run_id: str

    @property
    def name(self) -> str:
        """The identity as one text, `project:run_id`. A project holds no colon, so it reads back."""
        return f"{self.project}:{self.run_id}"

    @property
    def digest(self) -> str:
        """What tells the run from others where its name must not be kept."""
        return sha256(f"{self.project}\0{self.run_id}".encode()).hexdigest()

    @property
    def deletion_id(self) -> str:
        """The id of the run's deletion, which is asked for as often as one likes."""
        return f"del_{self.digest[:32]}"

    @staticmethod
    def from_name(name: str) -> RunRef:
        """The identity that `name` gave."""
        project, _, run_id = name.partition(":")
        return RunRef(project, run_id)


class RunMonitors(NamedTuple):
    """Which monitors a project's new runs begin with; "" for none."""

    monitor_id: str = ""
    shadow_id: str = ""
    by_agent: Mapping[str, str] = {}

    def of_agent(self, agent: str) -> str:
        """The monitor of a run whose agent was named ("": nobody was)."""
        return self.by_agent.get(agent, self.monitor_id)


@dataclass(frozen=True, slots=True)
class Registration:
    """A monitor that workers may load: where its bundle is, and who may use it."""

    monitor_id: str
    folder: str
    """On the machine that registered it; other machines look in their own folder of monitors first."""
    project: str = ""
    """The one project that sees it and may use it; "": every project."""
    registered_ms: int = 0

    def to_bytes(self) -> bytes:
        """The registration as stored, without its id."""
        return orjson.dumps({"folder": self.folder, "project": self.project, "registered_ms": self.registered_ms})

    @staticmethod
    def from_bytes(monitor_id: str, raw_registration: bytes) -> Registration:
        """The registration that `to_bytes` wrote, or an earlier forewarn, which wrote the folder alone."""
        if not raw_registration.startswith(b"{"):
            return Registration(monitor_id, raw_registration.decode())
        return Registration(monitor_id, **orjson.loads(raw_registration))


@dataclass(frozen=True, slots=True)
class NewStep:
    """One raw step on its way in. `data` is its JSON; `client_id` is "" or what makes a repeat of it known as such;
    `seq` is the sender's own count, from 0 in each run, where it keeps one.

    `ended_ns`: of a span, when it ended; it is put in order by that among those that arrive in the same short time, and
    known again by its `client_id` alone, whatever else of it has changed."""

    data: bytes
    client_id: str = ""
    seq: int | None = None
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class StepGroup:
    """Steps of one run from one request, to be stored in this order. A run without a stored step begins with
    `monitor_id`, or with that of `by_agent` for the agent that was named before, and has `shadow_id` beside it ("": no
    shadow).

    Either all steps have `ended_ns`, or none. `agent` and `service` are then whom the spans name: the first that was
    named stands, and the service where no agent was by the first step."""

    ref: RunRef
    steps: tuple[NewStep, ...]
    monitor_id: str
    shadow_id: str = ""
    by_agent: Mapping[str, str] = field(default_factory=dict)
    agent: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a stored step stands in its run: 0 for the first. A duplicate has the position of the step that it repeats.

    `position` is None for a step that came before its turn by `seq`: it is stored, and waits for those before it.
    """

    position: int | None
    duplicate: bool = False


class ScoreRecord(NamedTuple):
    """What is kept of one scored step: 32 bytes. Risks and probabilities are float32, 0 safe … 1 failing; `score`
    higher is worse."""

    turn: int
    risk: float
    failure_probability: float
    score: float
    symbol: int
    received_ms: int
    warning: bool = False
    alert: bool = False
    known: bool = True
    parked: bool = False
    """The step could not be scored and lies in the parking stream; the numbers are those before it."""
    hidden_alert: bool = False
    """The step opened an alert episode that is told to nobody: its run is a control run."""
    new_tool: bool = False
    """The step calls a tool that the bundle's calibration runs never called."""
    filled: int = 0
    """COUNTED and a bit for each field of the StepView that is filled (`coverage.filled_bits`); 0 where the step is
    none that an agent emitted, or was scored before this was kept."""

    def to_bytes(self) -> bytes:
        """The record as it is stored. A stored record is never all zeros, which is what a step not yet scored looks
        like."""
        flags = 1 | self.warning << 1 | self.alert << 2 | self.known << 3 | self.parked << 4
        flags |= self.hidden_alert << 5 | self.new_tool << 6
        return SCORE_LAYOUT.pack(
            self.risk,
            self.failure_probability,
            self.score,
            self.received_ms,
            self.turn,
            min(self.symbol, 0xFFFF),
            flags,
            self.filled,
        )

    @staticmethod
    def from_bytes(raw_record: bytes) -> ScoreRecord | None:
        """The record in these 32 bytes, or None where the step is not scored yet."""
        risk, failure, score, received_ms, turn, symbol, flags, filled = SCORE_LAYOUT.unpack(raw_record)
        if not flags & 1:
            return None
        warning, alert, known, parked = (bool(flags & bit) for bit in (2, 4, 8, 16))
        return ScoreRecord(
            turn,
            risk,
            failure,
            score,
            symbol,
            received_ms,
            warning,
            alert,
            known,
            parked,
            bool(flags & 32),
            bool(flags & 64),
            filled,
        )


SCORE_LAYOUT = struct.Struct("<ffdQIHBB")
SCORE_BYTES = SCORE_LAYOUT.size
COUNTED = 0x80
"""In `ScoreRecord.filled`: what the step's adapter made of it is known."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run's scores come to so far. Written in the same commit as the scores themselves."""

    steps: int = 0
    """Raw steps taken into account: the position of the next one to score."""
    turn: int = 0
    risk: float = 0.0
    failure_probability: float = 0.0
    score: float = 0.0
    max_risk: float = 0.0
    max_failure_probability: float = 0.0
    max_score: float | None = None
    warning: bool = False
    alerts: int = 0
    unknown: int = 0
    parked: int = 0
    scored_ms: int = 0
    hidden_alerts: int = 0
    """Alert episodes that were told to nobody. A control run has these instead of `alerts`."""
    control: bool = False
    """A control run: nothing is told of its alerts. Settled with its first score, for good."""
    rule: int = 0
    """The number of the decision rule that the run has (`monitors.groups`)."""

    def to_bytes(self) -> bytes:
        """The summary as stored, with its format version. Scripts read `steps`, `alerts` and the last three of it."""
        return SUMMARY_LAYOUT.pack(
            SUMMARY_VERSION,
            self.steps,
            self.turn,
            self.alerts,
            self.unknown,
            self.parked,
            self.warning,
            self.scored_ms,
            self.risk,
            self.failure_probability,
            self.score,
            self.max_risk,
            self.max_failure_probability,
            math.nan if self.max_score is None else self.max_score,
            self.hidden_alerts,
            self.control,
            self.rule,
        )

    @staticmethod
    def from_bytes(raw_summary: bytes | None) -> RunSummary:
        """The summary as it was stored; that of a run without scores for None."""
        if not raw_summary:
            return RunSummary()
        if raw_summary[0] < SUMMARY_VERSION:
            # Version 2 ended before control runs.
            raw_summary += bytes(SUMMARY_LAYOUT.size - len(raw_summary))
        _, steps, turn, alerts, unknown, parked, warning, scored_ms, *scores = SUMMARY_LAYOUT.unpack(raw_summary)
        risk, failure, score, max_risk, max_failure, max_score, hidden_alerts, control, rule = scores
        return RunSummary(
            steps=steps,
            turn=turn,
            risk=risk,
            failure_probability=failure,
            score=score,
            max_risk=max_risk,
            max_failure_probability=max_failure,
            max_score=None if math.isnan(max_score) else max_score,
            warning=bool(warning),
            alerts=alerts,
            unknown=unknown,
            parked=parked,
            scored_ms=scored_ms,
            hidden_alerts=hidden_alerts,
            control=bool(control),
            rule=rule,
        )


SUMMARY_VERSION = 3
SUMMARY_LAYOUT = struct.Struct("<BIIIIIBQddddddIBH")


@dataclass(frozen=True, slots=True)
class ShadowSummary:
    """What a shadow's scores of one run come to so far, beside those of the run's own monitor. Written in the same
    commit as the run's scores."""

    steps: int = 0
    """Raw steps taken into account by the shadow."""
    alerts: int = 0
    """Episodes that it would have opened."""
    own_alerts: int = 0
    """Episodes that the run's own monitor opened meanwhile; a control run's, which are told to nobody, as well."""
    compared: int = 0
    """Steps that both scored: what the differences are over."""
    only_shadow_warned: int = 0
    """Steps at which the shadow was in an episode and the run's own monitor was not."""
    only_own_warned: int = 0
    warning: bool = False
    risk: float = 0.0
    failure_probability: float = 0.0
    score: float = 0.0
    max_failure_probability: float = 0.0
    difference: float = 0.0
    """Sum over the compared steps of the shadow's failure probability less the run's own."""
    absolute_difference: float = 0.0
    dropped: str = ""
    """Why the shadow scores this run no longer, if so."""

    def to_bytes(self) -> bytes:
        """The summary as stored, with its format version."""
        return _SHADOW_LAYOUT.pack(
            1,
            self.steps,
            self.alerts,
            self.own_alerts,
            self.compared,
            self.only_shadow_warned,
            self.only_own_warned,
            self.warning,
            self.risk,
            self.failure_probability,
            self.score,
            self.max_failure_probability,
            self.difference,
            self.absolute_difference,
        ) + self.dropped.encode("utf-8", "replace")

    @staticmethod
    def from_bytes(raw_summary: bytes | None) -> ShadowSummary:
        """The summary as it was stored; that of a shadow without scores for None."""
        if not raw_summary:
            return ShadowSummary()
        _, *values = _SHADOW_LAYOUT.unpack_from(raw_summary)
        values[6] = bool(values[6])
        values.append(raw_summary[_SHADOW_LAYOUT.size :].decode())
        return ShadowSummary(**dict(zip(ShadowSummary.__slots__, values, strict=True)))


_SHADOW_LAYOUT = struct.Struct("<BIIIIIIBdddddd")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it is known: what callers said of it, and the summary of its scores."""

    ref: RunRef
    created_ms: int
    updated_ms: int
    accepted: int
    """Steps accepted: the position that the next one will get."""
    ended_ms: int | None = None
    success: bool | None = None
    intervened: bool | None = None
    outcome_ms: int | None = None
    """When the outcome that holds was said: the last one that changed anything."""
    expired: bool = False
    """No step has come for so long that the run counts as over; another one brings it back."""
    agent: str = ""
    task: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    monitor_id: str = ""
    summary: RunSummary = field(default_factory=RunSummary)
    acknowledged: bool = False
    """Somebody has taken note of the alert episode that the run is in."""
    shadow_id: str = ""
    """The monitor that scores the run beside its own, if any."""
    shadow: ShadowSummary = ShadowSummary()


class Entry(NamedTuple):
    """One accepted step as it waits in its partition's stream. `received_us` is the API's clock, microseconds since
    1970."""

    partition: int
    entry_id: str
    ref: RunRef
    position: int
    data: bytes
    received_us: int
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """All that is known of a run, as of its end, and again each time that more is said of it from then on. The one
    with the greatest `entry_id` holds."""

    partition: int
    entry_id: str
    """`<ms since 1970, by the clock of Redis>-<number>`: ascending within a partition, and so within a run."""
    ref: RunRef
    what: str
    """Why it was written: end, outcome, expired, described, or released (a parked step was put back)."""
    created_ms: int
    steps: int
    """Steps accepted so far."""
    ended_ms: int | None = None
    expired: bool = False
    success: bool | None = None
    intervened: bool | None = None
    control: bool | None = False
    """A control run; None where it had no score yet that would have settled it."""
    agent: str = ""
    task: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    monitor_id: str = ""
    moved: tuple[int, int] | None = None
    """Of a released step: the position at which it was parked, and the one that it has now."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to move a partition's cursor, until somebody else's acquisition raises the fence."""

    partition: int
    fence: int
    cursor: str
    attempts: int
    """How often the partition was acquired at this cursor without a commit since."""
    suspect: str = ""
    """The entry that was being scored alone when an owner died, if any."""
    suspicion: int = 0
    """How many owners in a row died at the suspect."""
    archived: str = "0-0"
    """The last entry that is in the archive."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What a worker must know of a run to score its next step. `state` is empty for a run without scores."""

    monitor_id: str
    state: bytes
    summary: RunSummary
    group: str = ""
    """The agent that was named before the run's first step."""
    shadow_id: str = ""
    shadow_state: bytes = b""
    shadow: ShadowSummary = ShadowSummary()


@dataclass(frozen=True, slots=True)
class AlertNote:
    """An opened alert episode: the JSON that goes to the outbox and stays with the run."""

    episode: int
    created_ms: int
    body: bytes
    severity: str
    hidden: bool = False
    """The run is a control run: the alert stays with it, and is told to nobody."""


@dataclass(frozen=True, slots=True)
class RunCommit:
    """What one batch changes of one run. `scores` are consecutive, the first at `first_position`."""

    ref: RunRef
    state: bytes
    summary: RunSummary
    first_position: int
    scores: tuple[ScoreRecord, ...]
    alerts: tuple[AlertNote, ...] = ()
    shadow_state: bytes = b""
    shadow: ShadowSummary | None = None
    """None where the batch did nothing to the run's shadow."""


@dataclass(frozen=True, slots=True)
class ParkedEntry:
    """An entry that cannot be scored, and why."""

    entry: Entry
    reason: str


@dataclass(frozen=True, slots=True)
class ParkedStep:
    """A parked entry as it lies in its partition's parking stream. `data` is empty where only a listing was asked
    for."""

    partition: int
    entry_id: str
    ref: RunRef
    position: int
    received_us: int
    client_id: str
    reason: str
    data_bytes: int
    """Size of the raw step as JSON."""
    data: bytes = b""

    @property
    def parked_id(self) -> str:
        """How it is named to people: `<entry id>@<partition>`."""
        return f"{self.entry_id}@{self.partition}"

    @property
    def parked_ms(self) -> int:
        """When it was parked: milliseconds since 1970, by the clock of Redis."""
        return int(self.entry_id.partition("-")[0])


class CommitSignal:
    """Says that partitions have committed something, whichever process did; may miss one."""

    __slots__ = ("news", "partitions")

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.partitions: set[int] = set()

    def note(self, partition: int) -> None:
        """This partition has."""
        self.partitions.add(partition)
        self.news.set()

    def take(self) -> set[int]:
        """The partitions since last asked."""
        taken, self.partitions = self.partitions, set()
        self.news.clear()
        return taken


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """What a commit told displays: scores by run and position, positions ascending within a run."""

    partition: int
    entry_id: str
    scores: tuple[tuple[RunRef, int, ScoreRecord], ...]

    @property
    def event_id(self) -> str:
        """How readers name it: `<entry id>@<partition>`."""
        return f"{self.entry_id}@{self.partition}"


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Entries by time. `more`: partitions that gave as many as they might. `without`: partitions whose feed no longer
    holds the entry that was read on from."""

    entries: list[FeedEntry]
    more: frozenset[int]
    without: frozenset[int]


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of a run, which it knows by its digest alone. `since_ms`: when the run began, 0 if not known;
    `partition`: of the run, -1 if not known."""

    id: str
    project: str
    digest: str
    asked_ms: int
    since_ms: int
    done_ms: int = 0
    partition: int = -1

    def to_json(self) -> bytes:
        """As it is stored."""
        return orjson.dumps(asdict(self))

    @staticmethod
    def from_json(raw: bytes) -> Deletion:
        """The deletion that was stored."""
        return Deletion(**orjson.loads(raw))

    def at(self, done_ms: int) -> Deletion:
        """The same, done."""
        return replace(self, done_ms=done_ms)


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Times (ms since 1970) before which what a project has is too old: `latest` and `earliest` of all projects'."""

    of: Callable[[str], int]
    latest: int
    earliest: int
    projects: tuple[str, ...] = ()

    @staticmethod
    def same(older_than_ms: int) -> Cutoffs:
        """One for every project."""
        return Cutoffs(lambda _: older_than_ms, older_than_ms, older_than_ms)


@dataclass(frozen=True, slots=True)
class PartitionCommit:
    """All that one batch changes of one partition: written together or not at all."""

    partition: int
    fence: int
    cursor: str
    runs: tuple[RunCommit, ...]
    parked: tuple[ParkedEntry, ...] = ()
    entries: int = 0
    """How many entries of the stream the cursor moves over."""
    shadow_counts: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    """(project, shadow, count's name) → how much the batch adds to it."""
    dropped: tuple[str, ...] = ()
    """Entries that leave the stream with the commit: of runs whose content is not kept."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says of itself every second."""

    worker: str
    seen_ms: int
    pid: int
    partitions: tuple[int, ...]
    monitors: tuple[str, ...]
    device: str
    refused: Mapping[str, str] = field(default_factory=dict)
    """Monitors that the worker cannot load, each with the reason."""
    tried: Mapping[str, int] = field(default_factory=dict)
    """Monitors that were asked for → the latest wish (until when, ms) that the worker has answered."""

    def to_json(self) -> bytes:
        """The report as stored."""
        return orjson.dumps(asdict(self))

    @staticmethod
    def from_json(raw_report: bytes) -> WorkerReport:
        """The report that `to_json` wrote."""
        values = orjson.loads(raw_report)
        return WorkerReport(
            **{**values, "partitions": tuple(values["partitions"]), "monitors": tuple(values["monitors"])}
        )


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to list: newest first, before `before` (created_ms, name) where given."""

    project: str
    limit: int
    before: tuple[int, str] | None = None
    state: str | None = None
    agent: str | None = None
    monitor: str | None = None
    since_ms: int | None = None
    """Created then or later; `until_ms`: before then."""
    until_ms: int | None = None
    min_risk: float | None = None
    """Scored, and the latest risk at least so high."""


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts to list: newest first, before `before` (created_ms, id) where given."""

    project: str
    limit: int
    before: tuple[int, str] | None = None
    run_id: str | None = None
    state: str | None = None
    severity: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody has taken note of an alert."""

    at_ms: int
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that an admin did."""

    at_ms: int
    key_id: str
    """Who: the key's public name, or "operator", or "command" for a command beside the service, "" for anybody where
    no key is needed."""
    origin: str
    """The address that asked, or the user who ran the command."""
    act: str
    target: str
    detail: dict[str, Any]
    entry_id: str = ""
    """Its place in the log; "" until it is written."""


@dataclass(frozen=True, slots=True)
class RunDescription:
    """What a caller says of a run at its start; None leaves what was said before."""

    agent: str | None = None
    task: str | None = None
    tags: dict[str, str] | None = None


JsonObject = dict[str, Any]
