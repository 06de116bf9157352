"""How verbs ask a live service over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from forewarn.commands.printing import plain

Url = Annotated[str, typer.Option(help="Where the service is.")]
ApiKey = Annotated[str | None, typer.Option(envvar="FOREWARN_API_KEY", help="The service's API key.")]

URL = "http://127.0.0.1:8080"
# An activation waits up to a minute for every worker; an upload may be large.
TIMEOUT_S = 180.0


def ask(url: str, api_key: str | None, method: str, path: str, query: dict[str, str] | None = None, **said: Any) -> Any:
    """The service's answer. Raises ServiceUnreachableError, and RefusedError with the service's own words."""
    import httpx

    from forewarn.replay.connection import Origin, RefusedError, ServiceUnreachableError

    origin = Origin.from_url(url, api_key)
    headers = dict(origin.headers) | said.pop("headers", {})
    try:
        answer = httpx.request(method, f"{origin}{path}", params=query, headers=headers, timeout=TIMEOUT_S, **said)
        document = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ServiceUnreachableError(f"{origin} does not answer as forewarn does: {error}") from None
    if answer.is_success:
        return document
    detail = document.get("detail") if isinstance(document, dict) else None
    raise RefusedError(answer.status_code, plain(str(detail or f"{origin} answers {answer.status_code}")), path=path)


def segment(name: str) -> str:
    """A name as one segment of a path."""
    from urllib.parse import quote

    return quote(name, safe="")
