"""What stands before every route: which hosts are answered, who may ask what, headers that make browsers careful, and
the short way for steps. One layer of plain ASGI, since every layer is paid for by every step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.browsers import authorization_of, check_own, header_of
from service.api.otlp_routes import PATHS, from_problem
from service.api.problems import INTERNAL, MISDIRECTED, problem, to_problem
from service.api.scopes import OPEN, Need, needed_scope
from service.api.step_route import StepEndpoint
from service.core.tenants.authentication import Authenticator
from service.errors import Forbidden, ForeignSite, ServiceError, TooManyGuesses, Unauthenticated

log = logging.getLogger(__name__)

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_RUNS, _STEPS, _LINES = "/v1/runs/", "/steps", "/v1/steps"


class Front:
    """Guards every request, answers those with steps, and hands the others on.

    `allowed_hosts`: while no key is needed only requests addressed to this machine by name are answered, since a page
    in a browser could otherwise reach the service through a name of its own that resolves to 127.0.0.1 (DNS rebinding).
    None answers all. Once a key is needed, every route needs one with the scope that `scopes.TABLE` says: as
    `Authorization: Bearer`, or in a browser's cookie. `steps` is None where none are taken. `refused` is told of each
    request that may not ask, by the error's name. `to_refusal` makes the answer to it; None: a problem document.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        steps: StepEndpoint | None,
        allowed_hosts: Collection[str] | None = None,
        refused: Callable[[str], None] = lambda _: None,
        to_refusal: Callable[[Scope, ServiceError], Response | None] = lambda _, __: None,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._steps = steps
        self._refused = refused
        self._to_refusal = to_refusal
        self._allowed = None if allowed_hosts is None else frozenset(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        for_steps = (
            self._steps is not None
            and scope["method"] == "POST"
            and (path == _LINES or (path.startswith(_RUNS) and path.endswith(_STEPS) and path.count("/") == 4))
        )
        # Asked each time: the first key may be made while this runs.
        guarded = self._allowed is not None and not self._authenticator.required
        refusal = self._misdirected(scope) if guarded else None
        if refusal is None:
            refusal = self._refusal(scope, "ingest" if for_steps else needed_scope(scope["method"], path))
        if refusal is not None and path in PATHS:
            refusal = from_problem(refusal, header_of(scope, b"content-type"))
        if refusal is not None:
            await refusal(scope, receive, with_headers(send))
        elif self._steps is not None and for_steps:
            await _take_steps(self._steps, scope, receive, send, path)
        else:
            await self._app(scope, receive, with_headers(send))

    def _misdirected(self, scope: Scope) -> Response | None:
        assert self._allowed is not None
        host = header_of(scope, b"host")
        name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
        if name.lower() in self._allowed:
            return None
        allowed = ", ".join(sorted(self._allowed))
        detail = f"without an API key only requests to {allowed} are answered, not to {name!r}"
        return problem(*MISDIRECTED, detail)

    def _refusal(self, scope: Scope, need: Need) -> Response | None:
        """Notes the principal with the request, and gives the answer to one that may not ask this."""
        if need is OPEN:
            return None
        authorization, is_cookie = authorization_of(scope)
        client = scope.get("client")
        try:
            principal = self._authenticator.authenticate(authorization or None, client[0] if client else "")
            scope.setdefault("state", {})["principal"] = principal
            if is_cookie or not self._authenticator.required:
                check_own(scope, must_say=is_cookie)
            if need not in principal.scopes:
                raise Forbidden(need, principal.scopes)
        except (Unauthenticated, Forbidden, ForeignSite, TooManyGuesses) as error:
            self._refused(type(error).__name__)
            return self._to_refusal(scope, error) or to_problem(error)
        return None


async def _take_steps(steps: StepEndpoint, scope: Scope, receive: Receive, send: Send, path: str) -> None:
    run_id = None if path == _LINES else path[len(_RUNS) : -len(_STEPS)]
    try:
        answer = await steps.answer(scope, receive, run_id)
    except ClientDisconnect:
        return
    except Exception:
        log.exception("a defect in POST %s", path)
        answer = problem(*INTERNAL, "the service's log says more")
    headers = [*answer.raw_headers, *_HEADERS]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def with_headers(send: Send) -> Send:
    """A `send` that adds the headers which the answer has not set itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[tuple[bytes, bytes]] = list(message["headers"])
            there = {name.lower() for name, _ in headers}
            message = {**message, "headers": headers + [one for one in _HEADERS if one[0] not in there]}
        await send(message)

    return sending
