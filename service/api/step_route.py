"""The routes that most requests take: steps in, positions or scores out. Plain ASGI, read and answered by hand: that
halves what a request costs."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope

from service.api.deps import ApiDeps
from service.api.problems import find_row, problem, to_problem
from service.api.views import RUN_ID_SCHEMA, Envelope, Line
from service.core.ingest import IngestRequest
from service.core.raw_steps import RawStep
from service.errors import BodyTooLarge, NameRefused, RawStepRefused, ServiceError, TransientError
from service.records import Appended, RunRef, ScoreRecord

WAIT_MS = 2000
LONGEST_WAIT_MS = 60_000
JSON_TYPES = ("application/json", "+json")
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")

_WAITING: list[dict[str, Any]] = [
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
        "name": "Content-Encoding",
        "in": "header",
        "schema": {"type": "string", "enum": ["gzip", "identity"], "default": "identity"},
    },
]
_PARAMETERS: list[dict[str, Any]] = [
    {"name": "run_id", "in": "path", "required": True, "schema": RUN_ID_SCHEMA},
    *_WAITING,
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


LINES_DOCUMENT: dict[str, Any] = {
    "parameters": _WAITING,
    "requestBody": {
        "required": True,
        "description": "One step a line, each of any run: "
        '{"run_id": text, "step": <raw step>, "id"?: text, "seq"?: integer}.',
        "content": {
            NDJSON_TYPES[0]: {
                "schema": {"type": "string", "description": "Lines, each of them a `Line` as JSON."},
                "examples": {
                    "lines": {
                        "value": "\n".join(
                            Line(run_id=run_id, step={"role": "user", "content": "Hello"}).model_dump_json(
                                exclude_none=True
                            )
                            for run_id in ("r-1", "r-2")
                        )
                    }
                },
            }
        },
    },
}


@dataclass(frozen=True, slots=True)
class StepParameters:
    """The parameters of the request."""

    wait: bool = False
    timeout_ms: int = WAIT_MS
    envelope: bool = False


class StepEndpoint:
    """Answers `POST /v1/runs/{run_id}/steps` and, with no run in the address, `POST /v1/steps`."""

    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps

    async def answer(self, scope: Scope, receive: Receive, run_id: str | None) -> Response:
        """Store the request's steps and say what became of each; only once they are durable. Raises nothing that a
        request causes."""
        try:
            headers = dict(scope["headers"])
            parameters = read_parameters(scope["query_string"])
            unsupported = check_media(headers, JSON_TYPES if run_id is not None else NDJSON_TYPES)
            if unsupported is not None:
                return self._refused(unsupported, "unsupported")
            limit = self._deps.max_body_bytes
            body = await read_body(headers, receive, limit)
            ingest = IngestRequest(
                body,
                run_id,
                _text(headers, b"authorization"),
                parameters.envelope,
                _text(headers, b"idempotency-key"),
            )
            if parameters.wait:
                return await self._append_and_wait(ingest, parameters.timeout_ms / 1000)
            return await self._append(ingest)
        except NameRefused as error:
            faults = [{"parameter": error.name, "detail": str(error)}]
            status, name = (400, "name-refused") if error.name == "run_id" else (422, "invalid")
            return self._refused(problem(status, name, "A parameter is wrong", str(error), faults=faults), name)
        except ServiceError as error:
            return self._refused(to_problem(error), type(error).__name__)

    async def _append(self, ingest: IngestRequest) -> Response:
        began = time.perf_counter()
        await self._deps.pipeline.run(ingest)
        return self._told(ingest, began, {}, 202)

    async def _append_and_wait(self, ingest: IngestRequest, timeout_s: float) -> Response:
        # The watches open before the append, or a quick score could be missed; the runs are those of the caller's
        # project, and known only once the body is read.
        began = time.perf_counter()
        first, *stages, append = self._deps.pipeline.stages
        await first(ingest)
        for stage in stages:
            await stage(ingest)
        refs = {run_id: RunRef(ingest.project, run_id) for run_id in usable_runs(ingest)}
        scores: dict[tuple[str, int], ScoreRecord | None] = {}
        async with AsyncExitStack() as stack:
            watches = {
                run_id: await stack.enter_async_context(self._deps.board.watch(ref)) for run_id, ref in refs.items()
            }
            await append(ingest)
            deadline = time.monotonic() + timeout_s
            complete = True
            for run_id, watch in watches.items():
                wanted = [
                    one
                    for name, one in zip(ingest.run_ids, ingest.outcomes, strict=True)
                    if name == run_id and isinstance(one, Appended)
                ]
                positions = [one.position for one in wanted if one.position is not None]
                if any(one.duplicate for one in wanted):
                    await watch.look(set(positions))
                found = await watch.wait(positions, max(0.0, deadline - time.monotonic()))
                complete &= len(found) == len(set(positions)) and len(positions) == len(wanted)
                scores |= {(run_id, position): found.get(position) for position in positions}
        return self._told(ingest, began, scores, 200 if complete else 202, waited=True)

    def _told(
        self,
        ingest: IngestRequest,
        began: float,
        scores: Mapping[tuple[str, int], ScoreRecord | None],
        status: int,
        *,
        waited: bool = False,
    ) -> Response:
        refused = [one for one in ingest.outcomes if isinstance(one, ServiceError)]
        if len(refused) == len(ingest.outcomes) and refused:
            # Nothing was taken: the first refusal is the answer, with all of them listed.
            return self._refused(to_refusal(ingest.outcomes), type(refused[0]).__name__)
        metrics = self._deps.metrics
        metrics.append_seconds.observe(time.perf_counter() - began)
        duplicates = 0
        steps: list[dict[str, Any]] = []
        rejected: list[dict[str, Any]] = []
        for index, one in enumerate(ingest.outcomes):
            if isinstance(one, ServiceError):
                steps.append({"rejected": True})
                rejected.append(to_rejection(index, one))
                metrics.rejected.labels(rejected[-1]["type"].rpartition(":")[2]).inc()
                continue
            step: dict[str, Any] = {"position": one.position}
            if one.position is None:
                step["early"] = True
            if one.duplicate:
                step["duplicate"] = True
                duplicates += 1
            if waited:
                score = None if one.position is None else scores.get((ingest.run_ids[index], one.position))
                step |= score_fields(score)
            steps.append(step)
        accepted = len(steps) - duplicates - len(rejected)
        metrics.accepted.inc(accepted)
        if duplicates:
            metrics.duplicates.inc(duplicates)
        document: dict[str, Any] = {
            "accepted": accepted,
            "duplicates": duplicates,
            "rejected": rejected,
            "steps": steps,
        }
        if ingest.run_id is not None:
            document = {"run_id": ingest.run_id, **document}
        response = to_answer(document, status)
        later = max((one.retry_after_s for one in refused if isinstance(one, TransientError)), default=0)
        if later:
            response.headers["Retry-After"] = str(later)
        return response

    def _refused(self, answer: Response, name: str) -> Response:
        self._deps.metrics.refused.labels(name).inc()
        return answer


def usable_runs(ingest: IngestRequest) -> list[str]:
    """The runs of the steps that were not refused, each once."""
    return list(
        dict.fromkeys(
            run_id for run_id, raw in zip(ingest.run_ids, ingest.steps, strict=True) if isinstance(raw, RawStep)
        )
    )


def to_rejection(index: int, error: ServiceError) -> dict[str, Any]:
    """What a request's answer says of a step that was not taken."""
    status, name, _ = find_row(error)
    fields: dict[str, Any] = {
        "index": index,
        "status": status,
        "type": f"urn:forewarn:problem:{name}",
        "detail": str(error),
    }
    if isinstance(error, RawStepRefused):
        fields["pointer"] = error.pointer
    if isinstance(error, TransientError):
        fields["retry_after_s"] = error.retry_after_s
    return fields


def to_refusal(outcomes: Sequence[Appended | ServiceError]) -> Response:
    """The problem document of a request of which nothing was taken."""
    errors = [one for one in outcomes if isinstance(one, ServiceError)]
    if len(errors) == 1:
        return to_problem(errors[0])
    return to_problem(errors[0], rejected=[to_rejection(index, error) for index, error in enumerate(errors)])


def read_parameters(raw_query: bytes) -> StepParameters:
    """The parameters in the address. Raises NameRefused naming the first that is wrong; others than these are let
    be."""
    if not raw_query:
        return StepParameters()
    query = {name: values[-1] for name, values in parse_qs(raw_query.decode("latin-1"), keep_blank_values=True).items()}
    wait, timeout, envelope = query.get("wait"), query.get("timeout_ms", str(WAIT_MS)), query.get("envelope", "false")
    if wait not in {None, "score"}:
        raise NameRefused("wait", f"wait can be `score`, not {wait!r}")
    if not (timeout.isascii() and timeout.isdigit() and len(timeout) < 9 and 1 <= int(timeout) <= LONGEST_WAIT_MS):
        raise NameRefused("timeout_ms", f"timeout_ms is an integer from 1 to {LONGEST_WAIT_MS}")
    if envelope.lower() not in {"true", "false", "1", "0"}:
        raise NameRefused("envelope", f"envelope is true or false, not {envelope!r}")
    return StepParameters(wait is not None, int(timeout), envelope.lower() in {"true", "1"})


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


def check_media(headers: Mapping[bytes, bytes], allowed: Sequence[str]) -> Response | None:
    """A problem where the body is of a kind, or in an encoding, that is not taken."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    if not kind.endswith(tuple(allowed)):
        detail = f"send `Content-Type: {allowed[0]}`, not {kind or 'none'!r}"
        return problem(415, "unsupported-media-type", f"The body must be {allowed[0]}", detail)
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding not in (b"identity", b"gzip"):
        detail = f"Content-Encoding {encoding.decode('latin-1')!r} is not taken here: send gzip, or the body as it is"
        return problem(415, "unsupported-encoding", "The body is in an encoding that is not taken", detail)
    return None


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The body, unpacked. Raises BodyTooLarge as soon as it is, whatever its length was said to be; RawStepRefused for
    gzip that is none."""
    body = await _receive_body(headers, receive, limit)
    return gunzip(body, limit) if headers.get(b"content-encoding", b"").lower() == b"gzip" else body


async def _receive_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    said = headers.get(b"content-length", b"")
    if said.isdigit() and int(said) > limit:
        raise BodyTooLarge(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge(limit)
        return body
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()


def gunzip(raw_body: bytes, limit: int) -> bytes:
    """The body unpacked. Raises BodyTooLarge once it grows beyond the limit, RawStepRefused where it is no gzip."""
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(raw_body, limit + 1)
        if len(body) > limit or unpacker.unconsumed_tail:
            raise BodyTooLarge(limit)
    except zlib.error as error:
        raise RawStepRefused(f"the body is not gzip, though Content-Encoding says so: {error}") from None
    if not unpacker.eof or unpacker.unused_data:
        raise RawStepRefused("the body is not one whole gzip stream, though Content-Encoding says so")
    return body


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def to_answer(document: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
