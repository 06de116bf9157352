"""What Schemathesis learns of this service, named by its settings: lines of JSON, and one check more."""

from __future__ import annotations

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def to_lines(_: schemathesis.SerializationContext, value: object) -> bytes:
    """A body of lines: a text as it is, anything else as one line of JSON."""
    # The standard library's JSON: numbers of any length are part of what is sent.
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.encode("utf-8", "surrogatepass")


@schemathesis.check
def unavailable_says_when_to_retry(
    _: schemathesis.CheckContext, response: schemathesis.Response, __: schemathesis.Case
) -> None:
    """A 503 has Retry-After."""
    if response.status_code == 503 and not response.headers.get("retry-after"):
        raise AssertionError("503 without Retry-After")
