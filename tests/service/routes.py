"""Every route that an application answers, for tests that must leave none out."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of every route, those that the OpenAPI document does not show included."""
    found = [
        (method, route.path)
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods or ())
        if route.path is not None and method != "HEAD"
    ]
    assert len(found) > 20, "the walk over the routes finds too few to be true"
    return found


def address(path: str) -> str:
    """An address at the path, with a name where it has a variable."""
    return path.replace("{", "").replace("}", "")
