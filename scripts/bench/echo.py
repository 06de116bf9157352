"""The yardstick `echo`: the API process as the service runs it, its application replaced by one that answers the body.

The server, its settings and its event loop are those of the service, whatever they are; guards, routes and Redis are
not there.
"""

from __future__ import annotations

import sys
from typing import Any


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A bare ASGI application."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> int:
    """Serve it until told to stop."""
    from service.app import __main__ as child
    from service.app import api

    api.create_app = lambda *_, **__: echo  # type: ignore[assignment,misc]
    return child.main("api")


if __name__ == "__main__":
    sys.exit(main())
