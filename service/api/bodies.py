"""Reading a request's body: of a kind that is taken, plain or gzip, never more of it than may be."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive

from service.api.problems import ENCODING_NOT_TAKEN, MEDIA_TYPE_NOT_TAKEN, problem
from service.errors import BodyTooLarge, RawStepRefused

JSON_TYPES = ("application/json", "+json")
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")


def check_media(headers: Mapping[bytes, bytes], allowed: Sequence[str]) -> Response | None:
    """A problem where the body is of a kind, or in an encoding, that is not taken."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    if not kind.endswith(tuple(allowed)):
        detail = f"send `Content-Type: {allowed[0]}`, not {kind or 'none'!r}"
        return problem(*MEDIA_TYPE_NOT_TAKEN, detail)
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding not in (b"identity", b"gzip"):
        detail = f"Content-Encoding {encoding.decode('latin-1')!r} is not taken here: send gzip, or the body as it is"
        return problem(*ENCODING_NOT_TAKEN, detail)
    return None


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The body, unpacked. Raises BodyTooLarge as soon as it is, whatever its length was said to be; RawStepRefused for
    gzip that is none."""
    body = await _receive_body(headers, receive, limit)
    return gunzip(body, limit) if headers.get(b"content-encoding", b"").lower() == b"gzip" else body


async def _receive_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    said = headers.get(b"content-length", b"")
    if said.isdigit() and int(said) > limit:
        raise BodyTooLarge(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge(limit)
        return body
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()


def gunzip(raw_body: bytes, limit: int) -> bytes:
    """The body unpacked. Raises BodyTooLarge once it grows beyond the limit, RawStepRefused where it is no gzip."""
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(raw_body, limit + 1)
        if len(body) > limit or unpacker.unconsumed_tail:
            raise BodyTooLarge(limit)
    except zlib.error as error:
        raise RawStepRefused(f"the body is not gzip, though Content-Encoding says so: {error}") from None
    if not unpacker.eof or unpacker.unused_data:
        raise RawStepRefused("the body is not one whole gzip stream, though Content-Encoding says so")
    return body
