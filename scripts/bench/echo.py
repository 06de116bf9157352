"""The yardstick `echo`: the API process as the service runs it, with nothing behind the body but the way back.

    python -m scripts.bench.echo app|bare

`app`: the service's own application, guards and all, with one more route, found first, that answers the body.
`bare`: the application is replaced by a bare ASGI one: what the web server alone can do.
The server, its settings and its event loop are those of the service, whatever they are.
"""

from __future__ import annotations

import sys
from typing import Any
from unittest.mock import patch

from fastapi import FastAPI, Request
from starlette.responses import Response

PATH = "/echo"


async def echo(request: Request) -> Response:
    """The body, as it came."""
    return Response(await request.body(), media_type="application/json")


async def bare_echo(_: dict[str, Any], receive: Any, send: Any) -> None:
    """The same without a framework."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(kind: str) -> int:
    """Serve it until told to stop."""
    from service.api.application import create_app
    from service.app import __main__ as child
    from service.app import api

    def create_echo(*arguments: Any, **named: Any) -> Any:
        if kind == "bare":
            return bare_echo
        app = create_app(*arguments, **named)
        assert isinstance(app, FastAPI)
        app.add_api_route(PATH, echo, methods=["POST"])
        app.router.routes.insert(0, app.router.routes.pop())
        return app

    with patch.object(api, "create_app", create_echo):
        return child.main("api")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
