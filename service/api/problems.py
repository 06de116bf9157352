"""Problem documents (RFC 9457): the one table from the service's errors to HTTP."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from service import errors
from service.core.privacy.redaction import SECRETS

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

# Error → status, the problem's name, and its title. The first class that fits counts, so the narrow ones come first.
ProblemRow = tuple[type[errors.ServiceError], int, str, str]
TABLE: tuple[ProblemRow, ...] = (
    (errors.Unauthenticated, 401, "unauthenticated", "The API key is missing or wrong"),
    (errors.Forbidden, 403, "forbidden", "The API key is not for this"),
    (errors.ForeignSite, 403, "foreign-site", "The request comes from another site"),
    (errors.BodyTooLarge, 413, "body-too-large", "The body is too large"),
    (errors.RawStepRefused, 400, "step-refused", "A step cannot be taken"),
    (errors.NameRefused, 400, "name-refused", "A name in the address is not allowed"),
    (errors.RunClosed, 409, "run-closed", "The run takes no more steps"),
    (errors.RunFull, 409, "run-full", "The run has as many steps as one run may have"),
    (errors.StepLate, 409, "late", "The step comes too late"),
    (errors.IdReused, 409, "id-reused", "The id names another step"),
    (errors.BurstExceeded, 413, "over-burst", "More steps than the project may send at once"),
    (errors.Conflict, 409, "conflict", "This does not go with what is there"),
    (errors.BundleRefused, 422, "bundle-refused", "This is no bundle that can be registered"),
    (errors.MonitorRefused, 409, "monitor-refused", "A worker cannot load the monitor"),
    (errors.MonitorInUse, 409, "monitor-in-use", "What rests on the monitor forbids this"),
    (errors.MonitorNotReady, 503, "monitor-not-ready", "Not every worker has the monitor yet"),
    (errors.NotFound, 404, "not-found", "There is no such thing"),
    (errors.PoisonError, 400, "refused", "The request is refused"),
    (errors.NoMonitor, 503, "no-monitor", "No monitor is loaded"),
    (errors.TooManyGuesses, 429, "too-many-guesses", "Too many wrong keys"),
    (errors.RateLimited, 429, "rate-limited", "The project has sent as much as it may for now"),
    (errors.Crowded, 429, "too-many-live-runs", "As many runs are live as there may be"),
    (errors.Overloaded, 503, "overloaded", "The service has more to do than it can hold"),
    (errors.LogUnavailable, 503, "log-unavailable", "The durable log does not answer"),
    (errors.TransientError, 503, "unavailable", "Not now"),
)
# Problems that are no error of the service's own: status, name, title.
NOT_JSON = (400, "not-json", "The body is not JSON")
INVALID = (422, "invalid", "The request does not fit what is described in /openapi.json")
MEDIA_TYPE_NOT_TAKEN = (415, "unsupported-media-type", "The body is of a type that is not taken")
ENCODING_NOT_TAKEN = (415, "unsupported-encoding", "The body is in an encoding that is not taken")
MISDIRECTED = (421, "misdirected", "Not this host")
INTERNAL = (500, "internal", "A defect of the service")
# Named by what HTTP calls their status.
BAD_REQUEST = (400, "bad-request", "The request cannot be read")
METHOD_NOT_ALLOWED = (405, "method-not-allowed", "Nothing at the address has this method")
OTHERS = (
    NOT_JSON,
    BAD_REQUEST,
    METHOD_NOT_ALLOWED,
    MEDIA_TYPE_NOT_TAKEN,
    ENCODING_NOT_TAKEN,
    MISDIRECTED,
    INVALID,
    INTERNAL,
)
_TITLES = {name: title for _, name, title in OTHERS} | {"not-found": "There is no such thing"}


def problem(
    status: int,
    name: str,
    title: str,
    detail: str,
    *,
    faults: Sequence[Mapping[str, str]] = (),
    rejected: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document. `faults` point at fields of the body (`pointer`) or name a parameter (`parameter`), each
    with a `detail`. What it quotes of the request is quoted without secrets: callers log their errors."""
    document: dict[str, Any] = {
        "type": f"urn:forewarn:problem:{name}",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if faults:
        document["errors"] = list(faults)
    if rejected:
        document["rejected"] = list(rejected)
    return Response(orjson.dumps(SECRETS.mask(document)), status, dict(headers or {}), MEDIA_TYPE)


def find_row(error: errors.ServiceError, narrower: Sequence[ProblemRow] = ()) -> tuple[int, str, str]:
    """Status, problem's name and title for one of the service's errors. `narrower` rows come before the table's own."""
    for kind, status, name, title in (*narrower, *TABLE):
        if isinstance(error, kind):
            return status, name, title
    return INTERNAL


def to_problem(
    error: errors.ServiceError,
    narrower: Sequence[ProblemRow] = (),
    *,
    rejected: Sequence[Mapping[str, Any]] = (),
) -> Response:
    """The problem document for one of the service's errors. `rejected` lists the steps of a request of which none was
    taken, each with its own reason."""
    status, name, title = find_row(error, narrower)
    headers: dict[str, str] = {}
    if isinstance(error, errors.TransientError):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="forewarn"'
    if isinstance(error, errors.Forbidden):
        headers["WWW-Authenticate"] = f'Bearer realm="forewarn", error="insufficient_scope", scope="{error.scope}"'
    detail = str(error) if status != 500 else "the service's log says more"
    return problem(status, name, title, detail, faults=_faults(error), rejected=rejected, headers=headers)


def _faults(error: errors.ServiceError) -> list[dict[str, str]]:
    if isinstance(error, errors.RawStepRefused):
        return [{"pointer": error.pointer, "detail": str(error)}]
    if isinstance(error, errors.NameRefused):
        return [{"parameter": error.name, "detail": str(error)}]
    return []


def install_handlers(app: FastAPI, narrower: Sequence[ProblemRow] = ()) -> None:
    """Make every error of the app a problem document. `narrower`: rows for errors that single routers bring along."""

    async def on_service_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.ServiceError)
        return to_problem(error, narrower)

    async def on_validation_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [_fault(one) for one in error.errors()]
        detail = "; ".join(f"{fault.get('pointer', fault.get('parameter', ''))}: {fault['detail']}" for fault in faults)
        if any(one["type"] == "json_invalid" for one in error.errors()):
            return problem(*NOT_JSON, detail, faults=faults)
        return problem(*INVALID, detail, faults=faults)

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        detail = {
            404: f"nothing is at {request.url.path}: /openapi.json lists what is",
            405: f"{request.method} is not for {request.url.path}",
        }.get(status, str(error.detail))
        name = status.phrase.lower().replace(" ", "-")
        title = _TITLES.get(name, status.phrase)
        headers = dict(error.headers or {})
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(methods_of(request))
        return problem(status, name, title, detail, headers=headers)

    async def on_defect(request: Request, error: Exception) -> Response:
        log.error("a defect in %s %s", request.method, request.url.path, exc_info=error)
        return problem(*INTERNAL, "the service's log says more")

    app.add_exception_handler(errors.ServiceError, on_service_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_defect)


def methods_of(request: Request) -> list[str]:
    """The methods that the request's address answers, over all its routes: the router itself names the first route's
    alone. Where a route is at exactly this address, as `/v1/monitors/rollback` is, those with a variable in its place
    are other things, as in /openapi.json."""
    routes, path = request.app.routes, request.scope["path"]
    exact = {method for route in iter_route_contexts(routes) if route.path == path for method in route.methods or ()}
    return [
        method
        for method in _METHODS
        if method in exact
        or (not exact and any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes))
    ]


def _fault(fault: Mapping[str, Any]) -> dict[str, str]:
    place, *path = fault["loc"]
    detail = str(fault["msg"])
    if place != "body":
        return {"parameter": ".".join(str(part) for part in path), "detail": detail}
    # In a body that is no JSON the path is a byte offset.
    inside = (
        ""
        if fault["type"] == "json_invalid"
        else "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    )
    return {"pointer": inside, "detail": detail}
