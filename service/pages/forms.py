"""What a plain HTML form sends: read with bounds, since anybody can send anything."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import Request

from service.errors import BodyTooLarge, PoisonError

MOST_BYTES = 256 * 1024
MOST_FIELDS = 200


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a urlencoded form, texts without space around; of fields with one name the last. Raises
    BodyTooLarge, PoisonError."""
    return dict(await _pairs(request))


async def _pairs(request: Request) -> list[tuple[str, str]]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise BodyTooLarge(MOST_BYTES)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise PoisonError("this is no form that a browser sends: urlencoded UTF-8 is") from None
    return [(name, value.strip()) for name, value in pairs]
