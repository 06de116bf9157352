"""The picture of a monitor's automaton, out of its bundle."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from monitors.bundle.folder import PICTURE
from service.api.deps import ApiDeps, project_of
from service.errors import NotFound
from service.pages.bundle_parts import BundleParts

# It comes from whoever wrote the bundle: opened on its own it belongs to no site, and runs nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"


def add_automaton_picture(router: APIRouter, deps: ApiDeps, parts: BundleParts) -> None:
    """Add the route `/monitors/{monitor_id}/automaton.svg`."""

    async def show_picture(monitor_id: str, request: Request) -> Response:
        entry = await deps.catalogue.get(monitor_id, project_of(request))
        picture = await parts.picture(entry)
        if picture is None:
            raise NotFound(f"the bundle of monitor {monitor_id[:100]} keeps no picture: `forewarn audit` draws one")
        etag = f'"{entry.manifest.files[PICTURE][:32]}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Content-Security-Policy": _POLICY}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(picture, 200, headers, "image/svg+xml")

    router.add_api_route("/monitors/{monitor_id}/automaton.svg", show_picture, methods=["GET"])
