"""Routes that write: steps, what is said of a run, its end, its outcome."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.api.deps import ApiDeps, project_of
from service.api.problems import problem, to_problem
from service.api.views import Envelope, Outcome, RunStart, StepsAnswer
from service.core.ingest import NO_MONITOR, IngestRequest, check_run_id
from service.errors import BodyTooLarge, NoMonitor, ServiceError
from service.records import Appended, RunDescription, RunRef, ScoreRecord

_STEPS_BODY: dict[str, Any] = {
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
    }
}


def build_ingest_router(deps: ApiDeps) -> APIRouter:
    """The routes that write."""
    router = APIRouter(tags=["runs"])

    async def post_steps(
        request: Request,
        run_id: str,
        wait: Literal["score"] | None = Query(None, description="`score`: answer once the steps are scored."),
        timeout_ms: int = Query(
            2000, ge=1, le=60_000, description="How long to wait for scores; then the answer is 202 with scored=false."
        ),
        envelope: bool = Query(False, description='Each item is {"step", "id"?, "seq"?}.'),
    ) -> Response:
        """Store steps at the end of a run. The answer says where they stand; it comes only after they are durable."""
        try:
            body = await read_body(request, deps.max_body_bytes)
            if isinstance(body, Response):
                return _refused(deps, body, "unsupported")
            ingest = IngestRequest(
                run_id, body, request.headers.get("authorization"), envelope, request.headers.get("idempotency-key")
            )
            if wait is None:
                return await _append(deps, ingest)
            return await _append_and_wait(deps, ingest, timeout_ms / 1000)
        except ServiceError as error:
            return _refused(deps, to_problem(error), type(error).__name__)

    async def put_run(run_id: str, request: Request, start: RunStart) -> Response:
        """Say what is known of a run: agent, task, tags. May come before its first step, and again."""
        check_run_id(run_id)
        if not deps.catalogue.active_id:
            raise NoMonitor(NO_MONITOR, retry_after_s=5)
        description = RunDescription(start.agent, start.task, start.tags)
        fresh = await deps.log.describe(RunRef(project_of(request), run_id), description, deps.catalogue.active_id)
        return _json({"run_id": run_id, "created": fresh}, 201 if fresh else 200)

    async def end_run(run_id: str, request: Request) -> Response:
        """Close a run for steps. An outcome may still follow."""
        check_run_id(run_id)
        await deps.log.end(RunRef(project_of(request), run_id))
        return _json({"run_id": run_id, "ended": True})

    async def set_outcome(run_id: str, request: Request, outcome: Outcome) -> Response:
        """Say how a run went, and close it for steps. May be corrected."""
        check_run_id(run_id)
        ref = RunRef(project_of(request), run_id)
        await deps.log.set_outcome(ref, success=outcome.success, intervened=outcome.intervened)
        return _json({"run_id": run_id, "success": outcome.success, "intervened": outcome.intervened})

    path = "/v1/runs/{run_id}"
    answers: dict[int | str, dict[str, Any]] = {200: {"model": StepsAnswer}, 202: {"model": StepsAnswer}}
    router.add_api_route(
        f"{path}/steps",
        post_steps,
        methods=["POST"],
        status_code=202,
        responses=answers,
        openapi_extra=_STEPS_BODY,
        response_model=None,
    )
    router.add_api_route(path, put_run, methods=["PUT"], response_model=None)
    router.add_api_route(f"{path}/end", end_run, methods=["POST"], response_model=None)
    router.add_api_route(f"{path}/outcome", set_outcome, methods=["POST"], response_model=None)
    return router


async def _append(deps: ApiDeps, ingest: IngestRequest) -> Response:
    began = time.perf_counter()
    done = await deps.pipeline.run(ingest)
    _count(deps, done.appended, began)
    return _json(_answer(ingest.run_id, done.appended, None), 202)


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
    return _json(_answer(ingest.run_id, done.appended, scores), 200 if complete else 202)


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


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
