"""The route that most requests take: steps in, positions or scores out. It reads its parameters itself, which halves
what it costs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from service.api.deps import ApiDeps
from service.api.problems import problem, to_problem
from service.api.views import Envelope
from service.core.ingest import IngestRequest, check_run_id
from service.errors import BodyTooLarge, NameRefused, ServiceError
from service.records import Appended, RunRef, ScoreRecord

WAIT_MS = 2000
LONGEST_WAIT_MS = 60_000

_PARAMETERS: list[dict[str, Any]] = [
    {"name": "run_id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 200}},
    {
        "name": "wait",
        "in": "query",
        "description": "`score`: answer once the steps are scored.",
        "schema": {"type": "string", "enum": ["score"]},
    },
    {
        "name": "timeout_ms",
        "in": "query",
        "description": "How long to wait for scores; then the answer is 202 with scored=false.",
        "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_WAIT_MS, "default": WAIT_MS},
    },
    {
        "name": "envelope",
        "in": "query",
        "description": 'Each item is {"step", "id"?, "seq"?}.',
        "schema": {"type": "boolean", "default": False},
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Names a single step: a repeat of it is a duplicate.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    },
]

STEPS_DOCUMENT: dict[str, Any] = {
    "parameters": _PARAMETERS,
    "requestBody": {
        "required": True,
        "description": "One raw step as the agent emits it (an object, or a string for a piece of text log), or an "
        "array of them; with ?envelope=true each in an envelope.",
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"type": "object"},
                        {"type": "string"},
                        {"type": "array", "items": {"oneOf": [{"type": "object"}, {"type": "string"}]}},
                    ]
                },
                "examples": {
                    "step": {"value": {"role": "assistant", "content": "Let me look that up."}},
                    "envelope": {
                        "value": Envelope(step={"role": "user", "content": "Hello"}, id="a1").model_dump(
                            exclude_none=True
                        )
                    },
                },
            }
        },
    },
}


@dataclass(frozen=True, slots=True)
class StepParameters:
    """The parameters of the request."""

    wait: bool
    timeout_ms: int
    envelope: bool


def build_step_route(deps: ApiDeps) -> Callable[[Request], Awaitable[Response]]:
    """The route of `POST /v1/runs/{run_id}/steps`, documented by STEPS_DOCUMENT."""

    async def post_steps(request: Request) -> Response:
        """Store steps at the end of a run. The answer says where they stand; it comes only after they are durable."""
        try:
            parameters = read_parameters(request)
            body = await read_body(request, deps.max_body_bytes)
            if isinstance(body, Response):
                return _refused(deps, body, "unsupported")
            headers = request.headers
            ingest = IngestRequest(
                request.path_params["run_id"],
                body,
                headers.get("authorization"),
                parameters.envelope,
                headers.get("idempotency-key"),
            )
            if parameters.wait:
                return await _append_and_wait(deps, ingest, parameters.timeout_ms / 1000)
            return await _append(deps, ingest)
        except NameRefused as error:
            faults = [{"parameter": error.name, "detail": str(error)}]
            status, name = (400, "name-refused") if error.name == "run_id" else (422, "invalid")
            return _refused(deps, problem(status, name, "A parameter is wrong", str(error), faults=faults), name)
        except ServiceError as error:
            return _refused(deps, to_problem(error), type(error).__name__)

    return post_steps


def read_parameters(request: Request) -> StepParameters:
    """The parameters in the address. Raises NameRefused naming the first that is wrong; others than these are let
    be."""
    if not request.scope["query_string"]:
        return StepParameters(False, WAIT_MS, False)
    query = request.query_params
    wait, timeout, envelope = query.get("wait"), query.get("timeout_ms", str(WAIT_MS)), query.get("envelope", "false")
    if wait not in {None, "score"}:
        raise NameRefused("wait", f"wait can be `score`, not {wait!r}")
    if not (timeout.isascii() and timeout.isdigit() and len(timeout) < 9 and 1 <= int(timeout) <= LONGEST_WAIT_MS):
        raise NameRefused("timeout_ms", f"timeout_ms is an integer from 1 to {LONGEST_WAIT_MS}")
    if envelope.lower() not in {"true", "false", "1", "0"}:
        raise NameRefused("envelope", f"envelope is true or false, not {envelope!r}")
    return StepParameters(wait is not None, int(timeout), envelope.lower() in {"true", "1"})


async def _append(deps: ApiDeps, ingest: IngestRequest) -> Response:
    began = time.perf_counter()
    done = await deps.pipeline.run(ingest)
    _count(deps, done.appended, began)
    return to_answer(_answer(ingest.run_id, done.appended, None), 202)


async def _append_and_wait(deps: ApiDeps, ingest: IngestRequest, timeout_s: float) -> Response:
    # The watch opens before the append, or a quick score could be missed; its run is that of the caller's project.
    ref = RunRef(deps.authenticator.authenticate(ingest.authorization).project, ingest.run_id)
    check_run_id(ingest.run_id)
    async with deps.board.watch(ref) as watch:
        began = time.perf_counter()
        done = await deps.pipeline.run(ingest)
        _count(deps, done.appended, began)
        if any(one.duplicate for one in done.appended):
            await watch.look({one.position for one in done.appended})
        scores = await watch.wait([one.position for one in done.appended], timeout_s)
    complete = all(one.position in scores for one in done.appended)
    return to_answer(_answer(ingest.run_id, done.appended, scores), 200 if complete else 202)


def _answer(run_id: str, appended: Sequence[Appended], scores: dict[int, ScoreRecord] | None) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    duplicates = 0
    for one in appended:
        step: dict[str, Any] = {"position": one.position}
        if one.duplicate:
            step["duplicate"] = True
            duplicates += 1
        if scores is not None:
            step |= score_fields(scores.get(one.position))
        steps.append(step)
    return {"run_id": run_id, "accepted": len(steps) - duplicates, "duplicates": duplicates, "steps": steps}


def score_fields(record: ScoreRecord | None) -> dict[str, Any]:
    """What a step's answer says of its score."""
    if record is None:
        return {"scored": False}
    fields: dict[str, Any] = {
        "scored": True,
        "turn": record.turn,
        "risk": record.risk,
        "failure_probability": record.failure_probability,
        "score": record.score,
        "symbol": record.symbol,
        "state": "warning" if record.warning else "ok",
        "alert": record.alert,
        "known": record.known,
    }
    if record.parked:
        fields["parked"] = True
    return fields


async def read_body(request: Request, limit: int) -> bytes | Response:
    """The body, or a problem where its kind is not taken. Raises BodyTooLarge as soon as it is, whatever its length
    was said to be."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return problem(
            415,
            "unsupported-media-type",
            "The body must be JSON",
            f"send `Content-Type: application/json`, not {kind or 'none'!r}",
        )
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        detail = f"Content-Encoding {encoding!r} is not taken here: send the JSON as it is"
        return problem(415, "unsupported-encoding", "The body must not be encoded", detail)
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limit:
        raise BodyTooLarge(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _count(deps: ApiDeps, appended: Sequence[Appended], began: float) -> None:
    duplicates = sum(one.duplicate for one in appended)
    deps.metrics.append_seconds.observe(time.perf_counter() - began)
    deps.metrics.accepted.inc(len(appended) - duplicates)
    if duplicates:
        deps.metrics.duplicates.inc(duplicates)


def _refused(deps: ApiDeps, answer: Response, name: str) -> Response:
    deps.metrics.refused.labels(name).inc()
    return answer


def to_answer(document: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
