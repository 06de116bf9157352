"""The routes that most requests take: steps in, positions or scores out. Plain ASGI, read and answered by hand: that
halves what a request costs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope

from service.api.bodies import JSON_TYPES, NDJSON_TYPES, check_media, read_body
from service.api.deps import ApiDeps
from service.api.problems import find_row, problem, to_problem
from service.api.step_document import LONGEST_WAIT_MS, WAIT_MS
from service.core.ingest import IngestRequest
from service.core.raw_steps import RawStep
from service.errors import NameRefused, RawStepRefused, ServiceError, TransientError
from service.records import Appended, RunRef, ScoreRecord


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
                scope["state"]["principal"],
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
        await self._deps.pipeline.prepare(ingest)
        refs = {run_id: RunRef(ingest.project, run_id) for run_id in usable_runs(ingest)}
        scores: dict[tuple[str, int], ScoreRecord | None] = {}
        async with AsyncExitStack() as stack:
            watches = {
                run_id: await stack.enter_async_context(self._deps.board.watch(ref)) for run_id, ref in refs.items()
            }
            await self._deps.pipeline.append(ingest)
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


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def to_answer(document: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
