"""The page's own style and scripts, read once; a browser asks each time whether it has the newest."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.errors import NotFound

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class _File(NamedTuple):
    body: bytes
    etag: str
    media_type: str


def build_static_files() -> APIRouter:
    """The route `/static/{name}`."""
    router = APIRouter(include_in_schema=False)
    known = _read_all()

    async def get_file(name: str, request: Request) -> Response:
        if (found := known.get(name)) is None:
            raise NotFound(f"there is no file {name[:100]}")
        headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
        if found.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(found.body, 200, headers, found.media_type)

    router.add_api_route("/static/{name}", get_file, methods=["GET"])
    return router


def _read_all() -> dict[str, _File]:
    known = {}
    for file in files("service.pages").joinpath("static").iterdir():
        media_type = next((kind for ending, kind in _TYPES.items() if file.name.endswith(ending)), None)
        if media_type is not None:
            body = file.read_bytes()
            known[file.name] = _File(body, f'"{sha256(body).hexdigest()[:32]}"', media_type)
    return known
