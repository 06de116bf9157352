"""How a page is made: a template, the headers that keep a browser careful, and errors in words instead of JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from service.api.browsers import authorization_of, header_of
from service.api.deps import ApiDeps
from service.api.problems import to_problem
from service.core.tenants.access import Principal
from service.errors import ServiceError, Unauthenticated
from service.pages.formats import FILTERS

log = logging.getLogger(__name__)

# Nothing but this host's own files: no inline script or style, no text that becomes markup (Trusted Types).
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # With no-referrer a form's `Origin` would be null, and nobody could tell our own pages from others.
    "Referrer-Policy": "same-origin",
}


class Pages:
    """Renders the service's pages."""

    def __init__(self, deps: ApiDeps) -> None:
        self._deps = deps
        self._templates = Environment(
            loader=PackageLoader("service.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= FILTERS

    def render(self, request: Request, template: str, status: int = 200, **context: Any) -> Response:
        """A page. Every template may use `path`, `project`, `scopes` (of whoever asks; none where nobody is signed in),
        `can_sign_out`, and the filters of `formats`."""
        principal: Principal | None = getattr(request.state, "principal", None)
        shared = {
            "path": request.url.path,
            "project": principal.project if principal else "",
            "scopes": principal.scopes if principal else frozenset(),
            "can_sign_out": authorization_of(request.scope)[1] and self._deps.authenticator.required,
        }
        html = self._templates.get_template(template).render(shared | context)
        return HTMLResponse(html, status, dict(_HEADERS))

    def render_error(self, request: Request, error: ServiceError) -> Response:
        """The page that tells of one of the service's errors."""
        answer = to_problem(error, self._deps.problems)
        told, retry = orjson.loads(answer.body), answer.headers.get("retry-after")
        page = self.render(
            request,
            "problem.html",
            answer.status_code,
            title=told["title"],
            detail=told["detail"],
            passes=retry is not None,
            # A form is not sent again by itself.
            comes_back=retry is not None and request.method == "GET",
        )
        if retry:
            page.headers["Retry-After"] = retry
        return page

    def as_refusal(self, page: Response, error: ServiceError) -> Response:
        """A page that tells of an error beside its form, with the status, and the time to wait, that the API answers
        the error with."""
        answer = to_problem(error, self._deps.problems)
        page.status_code = answer.status_code
        if retry := answer.headers.get("retry-after"):
            page.headers["Retry-After"] = retry
        return page

    def router(self) -> APIRouter:
        """A router for pages: its routes tell errors as pages, and are not in /openapi.json."""
        return APIRouter(route_class=self._route_class(), include_in_schema=False)

    def to_refusal(self, scope: Scope, error: ServiceError) -> Response | None:
        """The answer to a browser that asks for a page which it may not see: the way to sign in, or why not. None for
        everything else."""
        if scope["path"].startswith("/v1/") or "text/html" not in header_of(scope, b"accept"):
            return None
        request = Request(scope)
        if isinstance(error, Unauthenticated):
            return RedirectResponse(to_sign_in(request), 303)
        return self.render_error(request, error)

    def _route_class(self) -> type[APIRoute]:
        pages = self

        class PageRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()

                async def handle_in_words(request: Request) -> Response:
                    try:
                        return await handle(request)
                    except ServiceError as error:
                        return pages.render_error(request, error)
                    except RequestValidationError as error:
                        faults = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
                        title = "This address is not understood"
                        return pages.render(request, "problem.html", 422, title=title, detail=faults)

                return handle_in_words

        return PageRoute


def to_sign_in(request: Request) -> str:
    """The address of the sign-in page that leads back to this one."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/sign-in?" + urlencode({"next": here}) if request.method == "GET" and here != "/" else "/sign-in"
