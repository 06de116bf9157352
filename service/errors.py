"""Errors of the service. Each is *transient* (try again), *poison* (this input never works) or *fatal* (stop the
process).

ServiceError
├── TransientError            try again later; `retry_after_s` says when
│   ├── LogUnavailable        Redis does not answer: whether a write reached it is unknown
│   ├── Overloaded            a partition's backlog, or Redis's memory, is full
│   ├── Crowded               as many runs are live as there may be
│   ├── RateLimited           the project has sent as many steps as it may for now
│   ├── TooManyGuesses        an address has sent too many wrong keys
│   ├── NoMonitor             no bundle is loaded yet
│   ├── MonitorNotReady       not every live worker has loaded the monitor in time
│   └── OwnershipLost         another worker owns the partition now: nothing was written
├── PoisonError               the caller's input is refused; sending it again changes nothing
│   ├── RawStepRefused        a step that is no JSON, too deep, too big …; `pointer` says where
│   ├── BodyTooLarge          a request body over the limit
│   ├── NameRefused           a run id (or other name in an address) with characters or a length that are not allowed
│   ├── RunClosed             steps for a run that has ended or has an outcome
│   ├── RunFull               a run with as many steps as one run may have
│   ├── StepLate              a step whose `seq` lies behind what its run has taken already
│   ├── IdReused              a client id that names another step already
│   ├── NotFound              no such run, monitor …
│   ├── Conflict              what is asked does not go with what is there
│   ├── BurstExceeded         a request with more steps than its project may ever send at once
│   ├── BundleRefused         an upload or a folder that is no bundle to register
│   ├── MonitorRefused        a monitor that a worker cannot load: it says why
│   ├── MonitorInUse          a monitor that cannot be removed, or be what was asked, because of what rests on it
│   ├── Unauthenticated       the API key is missing or wrong
│   ├── ForeignSite           a browser's request that would change something, from a page elsewhere
│   └── Forbidden             the API key is good, but not for this
└── FatalError                the process cannot do its work; the message says what to do
    ├── SettingsError         a setting that is unknown or makes no sense
    ├── SchemaMismatch        Redis holds another partition count or another key schema
    ├── RedisMissing          no redis-server found to embed
    └── RedisUnfit            Redis is too old, or set up so that a promise would break
"""

from __future__ import annotations

from collections.abc import Collection

from monitors.errors import ForewarnError


class ServiceError(ForewarnError):
    """Root of what the service raises on purpose; its text is one line fit for a person."""


class TransientError(ServiceError):
    """The same request may work later."""

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LogUnavailable(TransientError):
    """Redis does not answer. A write may or may not have reached it: only a client id makes sending it again safe."""


class Overloaded(TransientError):
    """Nothing was stored: the backlog or the memory is full."""


class Crowded(TransientError):
    """Nothing was stored: a new run would be one too many. Runs that are live already go on."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"as many runs are live as there may be ({limit}, FOREWARN_MAX_LIVE_RUNS): end those that are over "
            "(POST /v1/runs/{run_id}/end), or raise the limit",
            retry_after_s=30,
        )
        self.limit = limit


class RateLimited(TransientError):
    """The project's bucket of tokens is empty: nothing of the request was stored."""

    def __init__(self, project: str, steps_per_s: float, *, retry_after_s: int) -> None:
        super().__init__(
            f"project {project} has sent as many steps as it may for now (its limit is {steps_per_s:g} a second): "
            "nothing of this request was stored",
            retry_after_s=retry_after_s,
        )


class TooManyGuesses(TransientError):
    """The key was not looked at."""

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__("too many wrong keys came from this address", retry_after_s=retry_after_s)


class NoMonitor(TransientError):
    """No bundle is loaded, so nobody could score what is sent."""


class MonitorNotReady(TransientError):
    """Nothing was changed: a worker has not loaded the monitor yet, or none is alive."""


class OwnershipLost(TransientError):
    """The fence of a partition has moved on. `partition` names it."""

    def __init__(self, partition: int) -> None:
        super().__init__(f"partition {partition} belongs to another worker now")
        self.partition = partition


class PoisonError(ServiceError):
    """The input is refused for what it is."""


class RawStepRefused(PoisonError):
    """A body or a step that cannot be taken. `pointer` is an RFC 6901 JSON pointer into the body."""

    def __init__(self, message: str, *, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class BodyTooLarge(PoisonError):
    """A body of more bytes than `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body has more than {limit_bytes} bytes; send the steps in several requests")
        self.limit_bytes = limit_bytes


class NameRefused(PoisonError):
    """A name in the address that is not allowed. `name` says which."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class RunClosed(PoisonError):
    """The run has ended or has an outcome."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id} has ended or has an outcome: it takes no more steps, and none of this request was stored"
        )
        self.run_id = run_id


class RunFull(PoisonError):
    """The run has as many steps as one run may have."""

    def __init__(self, run_id: str, limit: int) -> None:
        super().__init__(f"run {run_id} would have more than {limit} steps; none of this request was stored")
        self.run_id = run_id
        self.limit = limit


class StepLate(PoisonError):
    """The step's turn is over: its run has gone on without it."""

    def __init__(self, run_id: str, seq: int) -> None:
        super().__init__(f"step {seq} of run {run_id} comes too late: the run has gone on without it")
        self.run_id = run_id
        self.seq = seq


class IdReused(PoisonError):
    """The id was given to a step with another body."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"another step of run {run_id} has this id (or seq) already: a repeat must be the same step")
        self.run_id = run_id


class NotFound(PoisonError):
    """What the address names does not exist."""


class Conflict(PoisonError):
    """What is asked does not go with what is there."""


class BurstExceeded(PoisonError):
    """The request alone has more steps than its project's bucket ever holds."""

    def __init__(self, steps: int, burst: int) -> None:
        super().__init__(
            f"the request has {steps} steps, and this project may send {burst} at once: send fewer in each"
        )
        self.burst = burst


class Unauthenticated(PoisonError):
    """The API key is missing or wrong."""


class Forbidden(PoisonError):
    """The key's scopes do not hold the one that is needed, `scope`."""

    def __init__(self, scope: str, held: Collection[str]) -> None:
        super().__init__(f"this needs a key with the scope `{scope}`; this one has {', '.join(sorted(held)) or 'none'}")
        self.scope = scope


class ForeignSite(PoisonError):
    """A request that would change something, which a page of another site made a browser send."""

    def __init__(self, site: str) -> None:
        said = f"this one comes from {site[:200]}" if site else "this one does not say where it comes from (`Origin`)"
        super().__init__(f"from a browser, only pages of this very host may change anything; {said}")


class BundleRefused(PoisonError):
    """What was to be registered is no bundle, or one that is damaged, too large, or too new."""


class MonitorRefused(PoisonError):
    """A worker cannot load the monitor; nothing was changed. `monitor_id` names it."""

    def __init__(self, monitor_id: str, worker: str, reason: str) -> None:
        super().__init__(f"worker {worker} refuses monitor {monitor_id}, and nothing was changed: {reason}")
        self.monitor_id = monitor_id


class MonitorInUse(PoisonError):
    """What rests on a monitor, or the monitor's place, forbids what was asked; nothing was changed."""


class FatalError(ServiceError):
    """Starting again changes nothing until somebody acts."""


class SettingsError(FatalError):
    """A setting that is unknown or makes no sense."""


class SchemaMismatch(FatalError):
    """What Redis holds was written with another partition count or key schema."""


class RedisMissing(FatalError):
    """No redis-server is at hand to embed."""


class RedisUnfit(FatalError):
    """Redis is too old, or set up so that a promise would break."""
