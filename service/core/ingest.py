"""The one way in for steps: authenticate → limit → redact → append. Every transport hands its requests to this list
of stages; who sends them was settled before the body was read."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import orjson

from service.core.privacy.redaction import Redactor
from service.core.raw_steps import GivenStep, RawStep, StepLimits, check_count, parse_line, parse_steps, take_step
from service.core.tenants.access import Principal
from service.core.tenants.rate import RateLimiter
from service.errors import BodyTooLarge, NameRefused, NoMonitor, RawStepRefused, ServiceError
from service.ports import StepLog
from service.records import Appended, NewStep, RunMonitors, RunRef, StepGroup

# Letters, digits and . _ ~ : @ # + = , - after a first letter or digit: fits an address, a log line and a Redis key
# as it is.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@#+=,-]{0,199}")


@dataclass(slots=True)
class IngestRequest:
    """A request to append steps, on its way through the stages. Later fields are filled by earlier stages."""

    body: bytes
    run_id: str | None
    """The run of all steps; None where the body is NDJSON and each line names its run, and for given steps."""
    principal: Principal
    """Who sends it: found and let through before the body was read."""
    envelope: bool = False
    idempotency_key: str | None = None
    steps: list[RawStep | ServiceError] = field(default_factory=list)
    """Each step of the body, or why it is refused."""
    run_ids: list[str] = field(default_factory=list)
    """Each step's run."""
    given: Sequence[GivenStep] | None = None
    """The steps, where an edge has read them itself."""
    outcomes: list[Appended | ServiceError] = field(default_factory=list)
    """What became of each step."""

    @property
    def project(self) -> str:
        """The project of the sender."""
        return self.principal.project


Stage = Callable[[IngestRequest], Awaitable[None]]


class IngestPipeline:
    """Runs a request through the stages, in their order; the last one appends."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)

    async def run(self, request: IngestRequest) -> None:
        """Append the request's steps and note what became of each. Raises what refuses the request as a whole."""
        await self.prepare(request)
        await self.append(request)

    async def prepare(self, request: IngestRequest) -> None:
        """Everything before the append: what the steps are, and whose, is known then."""
        for stage in self.stages[:-1]:
            await stage(request)

    async def append(self, request: IngestRequest) -> None:
        """Append what was prepared."""
        await self.stages[-1](request)


def build_pipeline(
    limits: StepLimits,
    rate: RateLimiter,
    redactor: Redactor,
    log: StepLog,
    choose: Callable[[str], RunMonitors],
) -> IngestPipeline:
    """The pipeline of this service. `choose` gives the monitors that a project's new runs begin with."""

    async def limit(request: IngestRequest) -> None:
        if len(request.body) > limits.body_bytes:
            raise BodyTooLarge(limits.body_bytes)
        rate.check(request.project)
        if request.given is not None:
            take_given(request, request.given, limits)
        elif request.run_id is None:
            read_lines(request, limits)
        else:
            check_run_id(request.run_id)
            request.steps += parse_steps(request.body, limits, request.envelope, request.idempotency_key)
            request.run_ids = [request.run_id] * len(request.steps)
        await rate.take(request.project, sum(isinstance(raw, RawStep) for raw in request.steps))

    async def redact(request: IngestRequest) -> None:
        mask_steps(request, redactor)
        if request.given is not None:
            project = request.project
            request.given = [
                replace(one, agent=redactor.text(project, one.agent), service=redactor.text(project, one.service))
                for one in request.given
            ]

    async def append(request: IngestRequest) -> None:
        monitors = choose(request.project)
        if not monitors.monitor_id:
            raise NoMonitor(NO_MONITOR, retry_after_s=5)
        places = group_by_run(request)
        groups = [to_group(request, run_id, together, monitors) for run_id, together in places.items()]
        outcomes = {
            index: answer
            for together, answers in zip(places.values(), await log.append(groups), strict=True)
            for (index, _), answer in zip(together, answers, strict=True)
        }
        request.outcomes = [
            raw if isinstance(raw, ServiceError) else outcomes[index] for index, raw in enumerate(request.steps)
        ]

    return IngestPipeline([limit, redact, append])


def read_lines(request: IngestRequest, limits: StepLimits) -> None:
    """Fill the request's steps from NDJSON: one step a line, each of any run. Empty lines count for nothing. Raises
    RawStepRefused where there is none, or too many."""
    lines = [line for line in request.body.split(b"\n") if line and not line.isspace()]
    if not lines:
        raise RawStepRefused('the body is empty: send one step a line, {"run_id": text, "step": <raw step>}')
    check_count(len(lines))
    for index, line in enumerate(lines):
        run_id, step = parse_line(line, index, limits)
        if isinstance(step, RawStep):
            try:
                check_run_id(run_id)
            except NameRefused as error:
                request.steps.append(error)
                request.run_ids.append(run_id)
                continue
        request.steps.append(step)
        request.run_ids.append(run_id)


def mask_steps(request: IngestRequest, redactor: Redactor) -> None:
    """Mask the request's steps, and refuse runs whose names would have to be masked: NameRefused is raised for the
    request's own run, and noted at the steps of any other."""
    project = request.project
    refused = redactor.refused_names(project, "run_id", request.run_ids)
    if refused and request.run_id is not None:
        raise refused[request.run_id]
    mask = redactor.for_steps(project)
    if mask is None and not refused:
        return
    for index, raw in enumerate(request.steps):
        if isinstance(raw, RawStep):
            if refused and request.run_ids[index] in refused:
                request.steps[index] = refused[request.run_ids[index]]
            elif mask is not None and (masked := mask(raw.step, raw.data)) is not raw.step:
                data = orjson.dumps(masked)
                request.steps[index] = RawStep(masked, data, raw.client_id, raw.seq, raw.ended_ns)


def group_by_run(request: IngestRequest) -> dict[str, list[tuple[int, RawStep]]]:
    """The steps that are not refused, each with its index in the request, by run, in the order given."""
    places: dict[str, list[tuple[int, RawStep]]] = {}
    for index, (run_id, raw) in enumerate(zip(request.run_ids, request.steps, strict=True)):
        if isinstance(raw, RawStep):
            places.setdefault(run_id, []).append((index, raw))
    return places


def take_given(request: IngestRequest, given: Sequence[GivenStep], limits: StepLimits) -> None:
    """Fill the request's steps with those that an edge has read. Raises RawStepRefused where there are too many."""
    check_count(len(given))
    request.steps += [take_step(one, limits) for one in given]
    request.run_ids = [one.run_id for one in given]


def to_group(
    request: IngestRequest, run_id: str, together: Sequence[tuple[int, RawStep]], monitors: RunMonitors
) -> StepGroup:
    """A run's steps of a request as they go into the log."""
    steps = tuple([NewStep(raw.data, raw.client_id, raw.seq, raw.ended_ns) for _, raw in together])
    named = whom(request, [index for index, _ in together]) if request.given is not None else ("", "")
    return StepGroup(RunRef(request.project, run_id), steps, *monitors, *named)


def whom(request: IngestRequest, places: Sequence[int]) -> tuple[str, str]:
    """The first agent, and the first service, that given steps of one run name; "" for none."""
    given = [request.given[index] for index in places] if request.given is not None else []
    agents, services = (one.agent for one in given if one.agent), (one.service for one in given if one.service)
    return next(agents, ""), next(services, "")


NO_MONITOR = (
    "no monitor is active: start the service with a bundle (forewarn serve --bundle BUNDLE, or FOREWARN_BUNDLE), or "
    "register and activate one (forewarn monitors add, forewarn monitors activate)"
)


def check_run_id(run_id: str) -> None:
    """Raises NameRefused for a run id that is not allowed."""
    if not _RUN_ID.fullmatch(run_id):
        raise NameRefused(
            "run_id",
            "a run id has 1 to 200 characters, begins with a letter or a digit, and goes on with letters, digits and "
            ". _ ~ : @ # + = , -",
        )
