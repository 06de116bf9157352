"""What browsers bring along: a key in a cookie, and the word of where a request comes from.

A cookie goes along with every request to this host, whoever's page makes it, and a service without keys takes any
request at all. So what changes something must come from a page of this very host (`check_own`), as browsers say in
`Origin` and `Sec-Fetch-Site`, which no page can forge (Fetch standard).
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from starlette.requests import cookie_parser
from starlette.types import Scope

from service.errors import ForeignSite

COOKIE = "forewarn_key"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def header_of(scope: Scope, wanted: bytes) -> str:
    """The first header of this lower-case name; "" where there is none."""
    for name, value in scope["headers"]:
        if name == wanted:
            text: str = value.decode("latin-1")
            return text
    return ""


def authorization_of(scope: Scope) -> tuple[str, bool]:
    """The request's `Authorization`, or what it would be with the key of the cookie; and whether it is the cookie's."""
    if authorization := header_of(scope, b"authorization"):
        return authorization, False
    cookies = header_of(scope, b"cookie")
    token = unquote(cookie_parser(cookies).get(COOKIE, "")) if COOKIE in cookies else ""
    return (f"Bearer {token}", True) if token else ("", False)


def check_own(scope: Scope, *, must_say: bool) -> None:
    """Raises ForeignSite for a request that would change something and comes from a page elsewhere; with `must_say`,
    also for one that does not say where it comes from."""
    if scope["method"] in _SAFE:
        return
    origin, site = header_of(scope, b"origin"), header_of(scope, b"sec-fetch-site")
    if origin:
        own = origin != "null" and urlsplit(origin).netloc == header_of(scope, b"host")
    elif site:
        own = site in {"same-origin", "none"}
    else:
        own = not must_say
    if not own:
        raise ForeignSite(origin or site)
