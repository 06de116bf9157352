"""OTLP/HTTP: `POST /v1/traces` and `POST /v1/logs`, in protobuf or JSON. A 200 means that what was taken is stored."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from service.api.bodies import read_body
from service.api.deps import ApiDeps, principal_of
from service.api.problems import find_row
from service.core.ingest import IngestRequest
from service.core.outcomes import Outcome, say_outcome
from service.core.raw_steps import GivenStep, check_count
from service.errors import NameRefused, ServiceError, TransientError
from service.otlp.conventions import find_agent, find_service
from service.otlp.reading import Received, tell_refusals
from service.otlp.wire import (
    LOGS,
    MEDIA_TYPES,
    SPANS,
    Encoding,
    Signal,
    find_encoding,
    media_type,
    read_items,
    write_answer,
    write_status,
)
from service.records import Appended, RunRef

log = logging.getLogger(__name__)

PATHS: dict[str, Signal] = {"/v1/traces": SPANS, "/v1/logs": LOGS}


def build_otlp_router(deps: ApiDeps) -> APIRouter:
    """The routes of OpenTelemetry."""
    router = APIRouter(tags=["opentelemetry"])
    endpoint = OtlpEndpoint(deps)

    async def post_traces(request: Request) -> Response:
        """Take an export of spans (ExportTraceServiceRequest). Each is stored as a raw step of its run."""
        return await endpoint.answer(request, SPANS)

    async def post_logs(request: Request) -> Response:
        """Take an export of log records (ExportLogsServiceRequest). GenAI events among them are
        stored as raw steps."""
        return await endpoint.answer(request, LOGS)

    content = {media: {"schema": {"type": "object"}} for media in MEDIA_TYPES}
    for path, route in (("/v1/traces", post_traces), ("/v1/logs", post_logs)):
        router.add_api_route(
            path,
            route,
            methods=["POST"],
            response_model=None,
            responses={
                200: {
                    "description": "What was taken is stored; `partialSuccess` counts what was not",
                    "content": content,
                },
                "default": {
                    "description": "400, 401, 403, 413, 415, 429, 500, 503: google.rpc.Status, encoded as the request",
                    "content": content,
                },
            },
            openapi_extra={"requestBody": {"required": True, "content": content}},
        )
    return router


class OtlpEndpoint:
    """Answers exports."""

    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps
        self._otlp = deps.otlp

    async def answer(self, request: Request, signal: Signal) -> Response:
        """Store an export and say what of it was not taken. Raises nothing but that the sender has gone."""
        headers = dict(request.scope["headers"])
        encoding = find_encoding(headers.get(b"content-type", b"").decode("latin-1"))
        if encoding is None:
            allowed = " or ".join(MEDIA_TYPES)
            return self._refused("json", 415, f"send the export as {allowed}")
        if headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b"gzip"):
            return self._refused(encoding, 415, "send the export as it is, or with Content-Encoding: gzip")
        try:
            body = await read_body(headers, request.receive, self._deps.max_body_bytes)
            refused = await self._take(request, read_items(body, encoding, signal), signal, body)
        except ServiceError as error:
            return self._told(encoding, error)
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("a defect in POST %s", request.url.path)
            return self._refused(encoding, 500, "a defect of the service: its log says more")
        later = [error for error in refused if isinstance(error, TransientError)]
        if later:
            # Sent again as a whole, what is stored already is known by its ids.
            return self._told(encoding, max(later, key=lambda error: error.retry_after_s))
        told = write_answer(encoding, signal, len(refused), tell_refusals(refused, signal.name))
        return Response(told, media_type=media_type(encoding))

    async def _take(
        self, request: Request, items: Sequence[tuple[Any, dict[str, Any]]], signal: Signal, body: bytes
    ) -> list[ServiceError]:
        """Store what can be; why the rest cannot."""
        check_count(len(items))
        principal = principal_of(request)
        project = principal.project
        read = [self._otlp.reading.read(item, signal) for item in items]
        refused = [one for one in read if isinstance(one, ServiceError)]
        received = self._unmasked(project, [one for one in read if not isinstance(one, ServiceError)], refused)
        runs = await self._find_runs(project, [one for one in received if one.use != "none"])
        run_ids = runs_of(received, runs)
        steps = [(one, run_id) for one, run_id in zip(received, run_ids, strict=True) if one.use == "step"]
        ingest = IngestRequest(
            body,
            None,
            principal,
            given=[
                GivenStep(run_id, one.step, one.client_id, one.ended_ns, find_agent(one.step), find_service(one.step))
                for one, run_id in steps
            ],
        )
        if steps:
            await self._deps.pipeline.run(ingest)
        refused += [one for one in ingest.outcomes if isinstance(one, ServiceError)]
        told, unfit = await self._tell_outcomes(project, received, run_ids, steps, ingest.outcomes)
        refused += unfit
        self._count(signal, received, ingest.outcomes, len(refused), told)
        return refused

    def _unmasked(self, project: str, received: Sequence[Received], refused: list[ServiceError]) -> list[Received]:
        """Those whose run's name may be kept; the others are refused before a trace is remembered by it."""
        kept: list[Received] = []
        for one in received:
            try:
                if one.named_run is not None:
                    self._deps.redactor.check_name(project, "run_id", one.named_run)
                kept.append(one)
            except NameRefused as error:
                refused.append(error)
        return kept

    async def _find_runs(self, project: str, received: Sequence[Received]) -> dict[str, str]:
        """The runs of the traces: as a span of this export or of an earlier one has named it first, else none."""
        if self._otlp.reading.by_trace:
            return {}
        named: dict[str, str] = {}
        for one in received:
            if one.named_run is not None and one.trace_id:
                # Kept for the trace's other spans: masked, it is no run's name, and they are refused as this one is.
                named.setdefault(one.trace_id, self._deps.redactor.text(project, one.named_run))
        asked = {one.trace_id for one in received if one.named_run is None and one.trace_id not in named}
        return await self._otlp.traces.find(project, named, asked)

    async def _tell_outcomes(
        self,
        project: str,
        received: Sequence[Received],
        run_ids: Sequence[str],
        steps: Sequence[tuple[Received, str]],
        answers: Sequence[Appended | ServiceError],
    ) -> tuple[int, list[ServiceError]]:
        """Write the outcomes that the export tells: how many were, and why others could not be. Of a span that is
        stored, only what may work later counts there."""
        rule, told, refused = self._otlp.outcomes, 0, list[ServiceError]()
        if rule.source == "none":
            return told, refused
        stored = {id(one): answer for (one, _), answer in zip(steps, answers, strict=True)}
        for one, run_id in zip(received, run_ids, strict=True):
            answer = stored.get(id(one))
            if isinstance(answer, ServiceError):
                continue
            try:
                success = rule.of_evaluation(one.step) if one.use == "evaluation" else rule.of_events(one.step)
                if success is None and one.is_root:
                    success = rule.of_root(one.step)
                ref = RunRef(project, run_id)
                if success is None or (answer is not None and answer.duplicate and await self._has_outcome(ref)):
                    continue
                await say_outcome(self._deps.log, ref, Outcome(success))
                told += 1
            except ServiceError as error:
                if one.use == "evaluation" or isinstance(error, TransientError):
                    refused.append(error)
        return told, refused

    async def _has_outcome(self, ref: RunRef) -> bool:
        """True if a run's outcome is known: a span that is sent again must not undo a correction."""
        record = await self._deps.reader.read_run(ref)
        return record is not None and record.success is not None

    def _count(
        self,
        signal: Signal,
        received: Sequence[Received],
        answers: Sequence[Appended | ServiceError],
        rejected: int,
        outcomes: int,
    ) -> None:
        taken = [one for one in answers if isinstance(one, Appended)]
        duplicates = sum(1 for one in taken if one.duplicate)
        results = {
            "stored": len(taken) - duplicates,
            "duplicate": duplicates,
            "rejected": rejected,
            "outcome": outcomes,
            "passed over": sum(1 for one in received if one.use == "none"),
        }
        for result, count in results.items():
            if count:
                self._otlp.metrics.items.labels(signal.name, result).inc(count)
        self._deps.metrics.accepted.inc(len(taken) - duplicates)
        self._deps.metrics.duplicates.inc(duplicates)

    def _told(self, encoding: Encoding, error: ServiceError) -> Response:
        status = find_row(error)[0]
        if status >= 500 and not isinstance(error, TransientError):
            log.error("a defect in OTLP: %s", error)
        answer = self._refused(encoding, status, str(error))
        if isinstance(error, TransientError):
            answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer

    def _refused(self, encoding: Encoding, status: int, message: str) -> Response:
        self._otlp.metrics.refused.labels(str(status)).inc()
        return to_status(encoding, status, message)


def to_status(encoding: Encoding, status: int, message: str) -> Response:
    """An error as OTLP's clients expect it."""
    return Response(write_status(encoding, status, message), status, media_type=media_type(encoding))


def from_problem(refusal: Response, content_type: str) -> Response:
    """A problem document as an error of OTLP, in the encoding of the request; headers such as Retry-After stay."""
    detail = str(orjson.loads(refusal.body).get("detail", ""))
    answer = to_status(find_encoding(content_type) or "json", refusal.status_code, detail)
    for name, value in refusal.headers.items():
        if name not in {"content-type", "content-length"}:
            answer.headers[name] = value
    return answer


def runs_of(received: Sequence[Received], runs: dict[str, str]) -> list[str]:
    """Each item's run: as it says itself, else its trace's, else the trace."""
    return [one.named_run or runs.get(one.trace_id, one.trace_id) for one in received]
