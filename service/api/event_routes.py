"""Server-sent events: one run step by step, or all of a project's runs as they are scored.

Both may be resumed with `Last-Event-ID`, as browsers do by themselves, at any API process. One run is read from its
stored scores, so nothing is ever missed. All runs come from a short feed: at least once, and `reset` says where
something was missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Literal

import orjson
from fastapi import APIRouter, Header, Query, Request
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.alert_views import to_alert_view
from service.api.deps import ApiDeps, principal_of, project_of
from service.api.problems import to_problem
from service.api.run_views import to_run_view, to_score_view
from service.api.values import RunId
from service.core.ingest import check_run_id
from service.core.live import LiveFeed, Reset, StreamGate, Update, Updates
from service.errors import NameRefused, NotFound, TransientError
from service.records import RunRecord, RunRef, ScoreRecord

log = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
# A client that takes nothing for so long is let go: it comes back, and goes on where it was.
SEND_TIMEOUT_S = 30.0
RETRY_MS = 2000
# A run's end is not told on any channel, and a signal may be missed: so often a stream looks by itself.
LOOK_EVERY_S = 1.0
SCORES_AT_ONCE = 500
END_ID = "end"

_LAST = Header(None, alias="Last-Event-ID", max_length=64, description="The id of the last event seen: go on after it.")
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events",
        # OpenAPI 3.1 has no word for the items of a stream: this describes each.
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "event": {"type": "string"},
                        "data": {"type": "string", "contentMediaType": "application/json"},
                        "retry": {"type": "integer"},
                    },
                }
            }
        },
    },
    204: {"description": "The run has ended, and its end was told: do not come back."},
}


class EventStream(EventSourceResponse):
    """A stream that counts at the gate until it ends, with heartbeats that carry what was reached."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], gate: StreamGate, reached: Reached) -> None:
        super().__init__(
            content,
            ping=HEARTBEAT_S,
            ping_message_factory=lambda: ServerSentEvent(comment="alive", id=reached.event_id or None),
            send_timeout=SEND_TIMEOUT_S,
        )
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("an event stream's client took nothing for %.0f s and is let go", SEND_TIMEOUT_S)
        finally:
            self._gate.leave()


class Reached:
    """The last event whose predecessors have all been sent."""

    def __init__(self, event_id: str = "") -> None:
        self.event_id = event_id


class Absence:
    """Tells a stream's reader that the log is away, once, and that it is back."""

    def __init__(self) -> None:
        self._is_told = False

    def of(self, error: TransientError) -> Sequence[bytes]:
        """What to say of an error."""
        if self._is_told:
            return ()
        self._is_told = True
        told = orjson.loads(to_problem(error).body)
        return (_event("away", {name: told[name] for name in ("title", "detail")}),)

    def over(self) -> Sequence[bytes]:
        """What to say where there was none."""
        news = (_event("back", {}),) if self._is_told else ()
        self._is_told = False
        return news


def build_event_router(deps: ApiDeps) -> APIRouter:
    """The routes that stream."""
    router = APIRouter(tags=["live"])

    def goes_on(request: Request) -> Callable[[], bool]:
        """Whether the caller's stream may go on: it ends with the service, and with the key that opened it."""
        principal = principal_of(request)
        return lambda: not deps.gate.is_closing and deps.authenticator.holds(principal)

    async def stream_run(
        run_id: RunId,
        request: Request,
        last_event_id: str | None = _LAST,
        first: int = Query(0, alias="from", ge=0, le=2**31, description="Scores from this position on."),
    ) -> Response:
        """Follow one run. Its scores come in order, each once, from the first or from where it is asked to go on; then
        as they are made. Events: `score` (its id is the position), `alert` (before the score that opened it), `end`
        once the run has ended and all is scored; `away` while the log does not answer, `back` once it does. A run that
        has ended and has nothing more to tell answers 204, which ends a browser's reconnecting.
        """
        check_run_id(run_id)
        ref = RunRef(project_of(request), run_id)
        record = await deps.reader.read_run(ref)
        if record is None:
            raise NotFound(f"there is no run {run_id}")
        if last_event_id is not None:
            first = record.accepted if last_event_id == END_ID else _parse_position(last_event_id) + 1
            if last_event_id == END_ID and is_over(record, first):
                return Response(status_code=204)
        deps.gate.enter()
        return EventStream(_run_events(deps, ref, first, goes_on(request)), deps.gate, Reached())

    async def stream_all(
        request: Request,
        last_event_id: str | None = _LAST,
        agent: str | None = Query(None, max_length=200, description="Only runs of this agent."),
        only: Literal["alerts"] | None = Query(None, description="`alerts`: leave the scores out."),
    ) -> Response:
        """Follow all runs. The latest scores come as they are committed, and alerts. Events: `open` first, `run` (a
        run's newest score; steps scored together come as one), `alert`, `reset` where something was missed: read the
        lists again, `away` while the log does not answer, `back` once it does. After `Last-Event-ID` events come at
        least once: (run_id, position) tells a repeat.
        """
        deps.gate.enter()
        seen = deps.live.look(project_of(request), last_event_id)
        try:
            opening = await anext(seen)
        except BaseException:
            deps.gate.leave()
            raise
        reached = Reached(opening.event_id)
        return EventStream(
            _all_events(
                deps.live, seen, goes_on(request), reached, agent, only is not None, resumed=last_event_id is not None
            ),
            deps.gate,
            reached,
        )

    only_stream: dict[int | str, dict[str, Any]] = {200: STREAM[200]}
    for path, route, answers in (
        ("/v1/runs/{run_id}/events", stream_run, STREAM),
        ("/v1/events", stream_all, only_stream),
    ):
        router.add_api_route(
            path,
            route,
            methods=["GET"],
            status_code=200,
            responses=answers,
            response_model=None,
            response_class=EventStream,
        )
    return router


async def _run_events(deps: ApiDeps, ref: RunRef, position: int, goes_on: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Pulls from the stored scores, so a slow client costs nothing but its own time."""
    yield ServerSentEvent(comment="forewarn", retry=RETRY_MS).encode()
    absence = Absence()
    async with deps.board.signal(ref) as news:
        while goes_on():
            news.clear()
            try:
                scores = await _read_scores(deps, ref, position)
                for event in absence.over():
                    yield event
                if scores:
                    alerts = await _alerts_of(deps, ref, position, scores)
                    for index, score in enumerate(scores, position):
                        for alert in alerts.get(index, ()):
                            yield _event("alert", alert)
                        yield _event("score", to_score_view(index, score), str(index))
                    position += len(scores)
                    continue
                record = await deps.reader.read_run(ref)
            except TransientError as error:
                for event in absence.of(error):
                    yield event
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            if record is None or is_over(record, position):
                ended = {"run_id": ref.run_id, "deleted": True} if record is None else to_run_view(record)
                yield _event("end", ended, END_ID)
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await news.wait()


async def _read_scores(deps: ApiDeps, ref: RunRef, position: int) -> list[ScoreRecord]:
    """Scores from a position on, up to the first that is not there yet."""
    scores: list[ScoreRecord] = []
    for score in await deps.reader.read_scores(ref, position, SCORES_AT_ONCE):
        if score is None:
            break
        scores.append(score)
    return scores


async def _alerts_of(
    deps: ApiDeps, ref: RunRef, position: int, scores: Sequence[ScoreRecord]
) -> dict[int, list[dict[str, Any]]]:
    opened = {index for index, score in enumerate(scores, position) if score.alert}
    found: dict[int, list[dict[str, Any]]] = {}
    for alert in await deps.reader.read_run_alerts(ref) if opened else ():
        if alert.get("position") in opened:
            found.setdefault(alert["position"], []).append(to_alert_view(alert))
    return found


async def _all_events(
    live: LiveFeed,
    seen: AsyncGenerator[Updates | Reset, None],
    goes_on: Callable[[], bool],
    reached: Reached,
    agent: str | None,
    alerts_only: bool,
    *,
    resumed: bool,
) -> AsyncIterator[bytes]:
    async with aclosing(seen):
        opening = ServerSentEvent(orjson.dumps({"resumed": resumed}).decode(), event="open", retry=RETRY_MS)
        opening.id = reached.event_id
        yield opening.encode()
        absence = Absence()
        while goes_on():
            try:
                taken = await anext(seen)
            except TransientError as error:
                log.warning("an event stream ends, to be resumed: %s", error)
                return
            for event in absence.over() if live.away is None else absence.of(live.away):
                yield event
            if isinstance(taken, Reset):
                yield _event("reset", {"reason": taken.reason}, taken.event_id)
            else:
                chosen = [one for one in taken.updates if agent is None or one.agent == agent]
                events = [event for update in chosen for event in _show(update)[1 if alerts_only else 0 :]]
                if events:
                    # Only the last carries the id: whoever has that one has all of them.
                    events[-1] = f"id: {taken.event_id}\r\n".encode() + events[-1]
                    yield b"".join(events)
            reached.event_id = taken.event_id


def _show(update: Update) -> tuple[bytes, ...]:
    """The update's events, a `run` and perhaps an `alert`; made once for all who look on."""
    if not update.shown:
        view = {"run_id": update.ref.run_id, "agent": update.agent, **to_score_view(update.position, update.record)}
        alert = () if update.alert is None else (_event("alert", to_alert_view(update.alert)),)
        update.shown = (_event("run", view), *alert)
    return update.shown


def _event(name: str, document: dict[str, Any], event_id: str | None = None) -> bytes:
    # JSON on one line: what agents wrote cannot break out of its `data` line.
    return ServerSentEvent(orjson.dumps(document).decode(), event=name, id=event_id).encode()


def is_over(record: RunRecord, position: int) -> bool:
    """True if the run has ended and all its steps come before this position."""
    return record.ended_ms is not None and position >= record.accepted


def _parse_position(raw_id: str) -> int:
    if not (raw_id.isascii() and raw_id.isdigit() and len(raw_id) < 11):
        raise NameRefused("Last-Event-ID", "an event's id here is a position, such as 12, or `end`")
    return int(raw_id)
