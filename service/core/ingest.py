"""The one way in for steps: authenticate → limit → redact → append. Every transport hands its requests to this list
of stages."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import orjson

from monitors.stepview import JsonValue
from service.core.raw_steps import RawStep, StepLimits, parse_steps
from service.errors import BodyTooLarge, NameRefused, NoMonitor, Unauthenticated
from service.ports import StepLog
from service.records import DEFAULT_PROJECT, Appended, NewStep, RunRef

# Letters, digits and . _ ~ : @ # + = , - after a first letter or digit: fits an address, a log line and a Redis key
# as it is.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@#+=,-]{0,199}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends, and for which project."""

    project: str


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """A request to append steps, on its way through the stages. Later fields are filled by earlier stages."""

    run_id: str
    body: bytes
    authorization: str | None = None
    envelope: bool = False
    idempotency_key: str | None = None
    principal: Principal | None = None
    steps: Sequence[RawStep] = ()
    appended: Sequence[Appended] = ()

    @property
    def ref(self) -> RunRef:
        """The run that the steps belong to."""
        return RunRef(self.principal.project if self.principal else DEFAULT_PROJECT, self.run_id)


Stage = Callable[[IngestRequest], Awaitable[IngestRequest]]
Redactor = Callable[[JsonValue], JsonValue]


class Authenticator:
    """Knows the API key, if there is one. Without a key the service listens on loopback only, and everybody there may
    send."""

    def __init__(self, api_key: str | None) -> None:
        self._expected = None if api_key is None else api_key.encode()

    @property
    def required(self) -> bool:
        """True if requests need the key."""
        return self._expected is not None

    def authenticate(self, authorization: str | None) -> Principal:
        """Who sends this `Authorization` header. Raises Unauthenticated. Compares in constant time."""
        if self._expected is not None:
            scheme, _, token = (authorization or "").partition(" ")
            given = token.strip().encode("utf-8", "replace")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._expected):
                raise Unauthenticated(
                    "this needs the API key: send the header `Authorization: Bearer <FOREWARN_API_KEY>`"
                )
        return Principal(DEFAULT_PROJECT)


class IngestPipeline:
    """Runs a request through the stages, in their order."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)

    async def run(self, request: IngestRequest) -> IngestRequest:
        """The request with its steps appended. Raises what a stage raises."""
        for stage in self.stages:
            request = await stage(request)
        return request


def build_pipeline(
    authenticator: Authenticator,
    limits: StepLimits,
    redactor: Redactor | None,
    log: StepLog,
    monitor_id: Callable[[], str],
) -> IngestPipeline:
    """The pipeline of this service. `monitor_id` gives the monitor that new runs begin with, "" for none."""

    async def authenticate(request: IngestRequest) -> IngestRequest:
        return replace(request, principal=authenticator.authenticate(request.authorization))

    async def limit(request: IngestRequest) -> IngestRequest:
        check_run_id(request.run_id)
        if len(request.body) > limits.body_bytes:
            raise BodyTooLarge(limits.body_bytes)
        return replace(request, steps=parse_steps(request.body, limits, request.envelope, request.idempotency_key))

    async def redact(request: IngestRequest) -> IngestRequest:
        if redactor is None:
            return request
        steps = []
        for raw in request.steps:
            masked = redactor(raw.step)
            steps.append(raw if masked is raw.step else RawStep(masked, orjson.dumps(masked), raw.client_id))
        return replace(request, steps=steps)

    async def append(request: IngestRequest) -> IngestRequest:
        active = monitor_id()
        if not active:
            raise NoMonitor(NO_MONITOR, retry_after_s=5)
        new = [NewStep(raw.data, raw.client_id) for raw in request.steps]
        return replace(request, appended=await log.append(request.ref, new, active))

    return IngestPipeline([authenticate, limit, redact, append])


NO_MONITOR = (
    "no monitor is loaded: start the service with a bundle (forewarn serve --bundle BUNDLE, or FOREWARN_BUNDLE)"
)


def check_run_id(run_id: str) -> None:
    """Raises NameRefused for a run id that is not allowed."""
    if not _RUN_ID.fullmatch(run_id):
        raise NameRefused(
            "run_id",
            "a run id has 1 to 200 characters, begins with a letter or a digit, and goes on with letters, digits and "
            ". _ ~ : @ # + = , -",
        )
