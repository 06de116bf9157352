"""What stands before every route: which hosts are answered, who may ask, and headers that make browsers careful.
Plain ASGI, so it costs little."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem, to_problem
from service.core.ingest import Authenticator
from service.errors import Unauthenticated

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """Adds headers to every answer, unless the route has set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class HostGuard:
    """Without an API key, answers only requests that were addressed to this machine by name.

    A page in a browser could otherwise reach the service through a name of its own that resolves to 127.0.0.1 (DNS
    rebinding).
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
            if name.lower() not in self._allowed:
                allowed = ", ".join(sorted(self._allowed))
                detail = f"without an API key only requests to {allowed} are answered, not to {name!r}"
                await problem(421, "misdirected", "Not this host", detail)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class KeyGuard:
    """Asks for the API key on everything under /v1, whatever the route, and notes the caller's project."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["path"].startswith("/v1"):
            try:
                principal = self._authenticator.authenticate(Headers(scope=scope).get("authorization"))
            except Unauthenticated as error:
                await to_problem(error)(scope, receive, send)
                return
            scope.setdefault("state", {})["project"] = principal.project
        await self._app(scope, receive, send)
