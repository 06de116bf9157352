"""Signing in: an API key, kept by the browser in a cookie that no script can read and no other site can send."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api.browsers import COOKIE, check_own, header_of
from service.api.deps import ApiDeps
from service.errors import Forbidden, TooManyGuesses, Unauthenticated
from service.pages.forms import read_form
from service.pages.rendering import Pages

_EMPTY = "Paste a key first: one that `forewarn keys create --kind read` has made, for example."


def build_sign_in_pages(deps: ApiDeps, pages: Pages) -> APIRouter:
    """The pages `/sign-in` and `/sign-out`."""
    router = pages.router()

    async def show(request: Request, next: str = "/") -> Response:  # noqa: A002 - the address's own word
        if not deps.authenticator.required:
            return RedirectResponse(local(next), 303)
        return form(request, local(next))

    async def sign_in(request: Request) -> Response:
        # Nobody is to be signed in, under another's key, by another's page.
        check_own(request.scope, must_say=True)
        said = await read_form(request)
        token, following = said.get("key", ""), local(said.get("next", "/"))
        if not token:
            return form(request, following, _EMPTY, 400)
        try:
            principal = deps.authenticator.authenticate(
                f"Bearer {token}", request.client.host if request.client else ""
            )
            if "read" not in principal.scopes:
                raise Forbidden("read", principal.scopes)
        except (Unauthenticated, Forbidden, TooManyGuesses) as error:
            return pages.as_refusal(form(request, following, str(error)), error)
        answer = RedirectResponse(following, 303)
        secure = header_of(request.scope, b"origin").startswith("https://")
        answer.set_cookie(COOKIE, quote(token, safe=""), httponly=True, samesite="strict", secure=secure, path="/")
        return answer

    async def sign_out(request: Request) -> Response:
        check_own(request.scope, must_say=True)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    def form(request: Request, following: str, problem: str = "", status: int = 200) -> Response:
        return pages.render(request, "sign-in.html", status, next=following, problem=problem)

    router.add_api_route("/sign-in", show, methods=["GET"])
    router.add_api_route("/sign-in", sign_in, methods=["POST"])
    router.add_api_route("/sign-out", sign_out, methods=["POST"])
    return router


def local(address: str) -> str:
    """The address if it is a path of this very host, else `/`: a link must not lead on to another site."""
    # Browsers take `//host`, and a backslash for a slash; control characters fall out on the way.
    is_local = address.startswith("/") and not address.startswith("//") and "\\" not in address
    return address if is_local and address.isprintable() and len(address) <= 2000 else "/"
