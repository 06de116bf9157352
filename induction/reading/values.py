"""One JSON value out of bytes, as strictly as orjson where it can be and as kindly as tracers need."""

from __future__ import annotations

import json

import orjson

from monitors.stepview import JsonValue


def parse_json(data: bytes) -> JsonValue:
    """Return the value. orjson is strict; the standard library also takes NaN, Infinity and lone surrogates, which many
    tracers write. Raises ValueError if the bytes are no JSON.
    """
    value: JsonValue
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(data)
        except RecursionError:
            raise ValueError("is nested too deeply") from None
    return value
