"""Every Redis key of the service's core, key schema 2. Alert delivery has its own, in `service/alerts/keys.py`.

Every key of a partition starts with its hash tag `{pNN}:`, so that one script may touch any of them on Redis Cluster.
`<run>` is
`project:run_id`.

| key | type | holds |
|---|---|---|
| `{pNN}:steps` | stream | steps not scored, or not archived yet: see below |
| `{pNN}:cursor` | hash | id, archived: the last entry committed, and archived; the rest: see `scripts.ACQUIRE` |
| `{pNN}:counts` | hash | appended (or held), scored: steps since the beginning; their difference waits to be scored |
| `{pNN}:lease` | string | the owner's name; runs out |
| `{pNN}:fence` | integer | raised by each acquisition; a commit under an older one is refused |
| `{pNN}:runs` | zset | runs by time of creation (ms) |
| `{pNN}:live` | zset | runs that have neither ended nor expired, by a time (ms) since which they may be idle |
| `{pNN}:ended` | zset | runs that have ended, by when (ms): what drift is looked for in |
| `{pNN}:labelled` | zset | runs with an outcome, by when (ms) it was said |
| `{pNN}:tally` | hash | `<project>:<monitor>:<rule>:<kind>` → runs that are over, see `scripts.TALLY`: kept for good |
| `{pNN}:early` | zset | runs with steps that came before their turn by `seq`, by the time (ms) since which they wait |
| `{pNN}:held` | zset | runs with spans that wait to be put in order, by the time (ms) the oldest of them arrived |
| `{pNN}:run:<run>` | hash | a run: what callers said, next position, monitor, state, summary; its shadow's likewise |
| `{pNN}:scores:<run>` | string | 32 bytes a step, `records.ScoreRecord`, at 32 × position |
| `{pNN}:ids:<run>` | zset | digests of client ids → position × 2³² + CRC-32 of the step, of the last 1,024 steps |
| `{pNN}:early:<run>` | hash | seq → a step that came before its turn |
| `{pNN}:held:<run>` | hash | digest of a span's id → the span, which waits to be put in order by its end |
| `{pNN}:deleting` | hash | runs that are to be erased → the id of the deletion |
| `{pNN}:alerts` | zset | `<run>#<episode>` by time (ms) |
| `{pNN}:alerts:<run>` | hash | episode → the alert; hidden:episode → one told nobody; ack:episode → acknowledgement |
| `{pNN}:outbox` | stream | opened alerts (field alert), taken on by alert delivery |
| `{pNN}:closed` | stream | what is known of runs that are over, until the archive has it: see `endings.py` |
| `{pNN}:parked` | stream | entries that could not be scored: the fields of steps (i as hex), and why |
| `{pNN}:shadows` | hash | `<project>:<shadow>:<count>` → of a shadow over the partition's runs: `shadowing.COUNTS` |
| `{pNN}:feed` | stream | field f: frames for live displays: each run's newest score, and those with an alert |
| `{pNN}:scored` | channel | frames of `frames.py`: scores just committed |
| `{pNN}:waited` | string | written before a wait for replicas, see `client.wait_commands` |
| `forewarn:trace:<project>:<trace id>` | string | the run that the trace belongs to, as its spans named it |
| `forewarn:schema` | hash | version of this key schema, partitions |
| `forewarn:workers` | hash | worker → its last report |
| `forewarn:monitors` | hash | monitor id → where its bundle is, and which project it is for: `records.Registration` |
| `forewarn:wanted` | zset | monitors that workers should load, until when (ms) |
| `forewarn:quality` | hash | `<project>:<monitor>` → what is kept of looks at its runs; cursors: how far, in time |
| `forewarn:deletions` | hash | deletions of runs, and how far they have come: see `deleting.py` |
| `forewarn:projects` | hash | project → its settings as JSON |
| `forewarn:keys` | hash | key id → its record as JSON, of all projects; version: a new random value at each change |
| `forewarn:keys:used` | hash | key id → when it was last used (ms), to some minutes |
| `forewarn:tokens:<project>` | hash | tokens, at (µs): what the project may still send; goes once it is full again |
| `forewarn:audit:<project>` | stream | what admins did, at most some 10,000 entries: see `audit.py` |

An entry of `steps` holds r run, p position, t received (µs), i the digest of its client id, d the raw step as JSON.

The feed alone is cut by length (`frames.kept_frames`): it repeats for displays what is kept elsewhere, so losing its
oldest entries loses no work. Streams of work are never cut by length.
"""

from __future__ import annotations

from hashlib import sha256

from service.records import RunRef

SCHEMA_VERSION = 2
SCHEMA = "forewarn:schema"
WORKERS = "forewarn:workers"
MONITORS = "forewarn:monitors"
WANTED = "forewarn:wanted"
PROJECTS = "forewarn:projects"
QUALITY = "forewarn:quality"
DELETIONS = "forewarn:deletions"
AUDIT = "forewarn:audit:"
TOKENS = "forewarn:tokens:"
ACCESS_KEYS = "forewarn:keys"
ACCESS_KEYS_USED = "forewarn:keys:used"


def trace_key(project: str, trace_id: str) -> str:
    """The key of a trace's run."""
    return f"forewarn:trace:{project}:{trace_id}"


def partition_of(ref: RunRef, partitions: int) -> int:
    """The partition of a run: a stable hash of (project, run_id), the same for ever in every version."""
    digest = sha256(f"{ref.project}\0{ref.run_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % partitions


def acknowledgement_field(episode: int) -> str:
    """The field of a run's alerts that holds an episode's acknowledgement."""
    return f"ack:{episode}"


class PartitionKeys:
    """The keys of one partition, made once."""

    __slots__ = (
        "alerts",
        "closed",
        "counts",
        "cursor",
        "deleting",
        "early",
        "ended",
        "feed",
        "fence",
        "held",
        "labelled",
        "lease",
        "live",
        "outbox",
        "parked",
        "prefix",
        "runs",
        "scored",
        "shadows",
        "steps",
        "tally",
    )

    def __init__(self, partition: int) -> None:
        self.prefix = f"{{p{partition:02d}}}:"
        self.steps = self.prefix + "steps"
        self.cursor = self.prefix + "cursor"
        self.counts = self.prefix + "counts"
        self.lease = self.prefix + "lease"
        self.fence = self.prefix + "fence"
        self.runs = self.prefix + "runs"
        self.live = self.prefix + "live"
        self.early = self.prefix + "early"
        self.ended = self.prefix + "ended"
        self.labelled = self.prefix + "labelled"
        self.tally = self.prefix + "tally"
        self.held = self.prefix + "held"
        self.deleting = self.prefix + "deleting"
        self.alerts = self.prefix + "alerts"
        self.outbox = self.prefix + "outbox"
        self.parked = self.prefix + "parked"
        self.closed = self.prefix + "closed"
        self.scored = self.prefix + "scored"
        self.feed = self.prefix + "feed"
        self.shadows = self.prefix + "shadows"
        self.counts = self.prefix + "counts"

    def run(self, ref: RunRef) -> str:
        """The run's hash."""
        return f"{self.prefix}run:{ref.name}"

    def scores(self, ref: RunRef) -> str:
        """The run's score records."""
        return f"{self.prefix}scores:{ref.name}"

    def ids(self, ref: RunRef) -> str:
        """The run's recent client ids."""
        return f"{self.prefix}ids:{ref.name}"

    def run_early(self, ref: RunRef) -> str:
        """The run's steps that came before their turn."""
        return f"{self.prefix}early:{ref.name}"

    def run_held(self, ref: RunRef) -> str:
        """The run's spans that wait to be put in order."""
        return f"{self.prefix}held:{ref.name}"

    def run_alerts(self, ref: RunRef) -> str:
        """The run's alerts."""
        return f"{self.prefix}alerts:{ref.name}"


class KeySpace:
    """All partitions' keys, and which run belongs where."""

    def __init__(self, partitions: int) -> None:
        self.count = partitions
        self._keys = tuple(PartitionKeys(partition) for partition in range(partitions))

    def __getitem__(self, partition: int) -> PartitionKeys:
        return self._keys[partition]

    def partition_of(self, ref: RunRef) -> int:
        """The run's partition."""
        return partition_of(ref, self.count)

    def of_run(self, ref: RunRef) -> PartitionKeys:
        """The keys of the run's partition."""
        return self._keys[partition_of(ref, self.count)]
