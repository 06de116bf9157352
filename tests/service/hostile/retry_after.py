"""A check of Schemathesis (named by its settings): an answer 503 says when to come back."""

from __future__ import annotations

import schemathesis


@schemathesis.check
def unavailable_says_when_to_retry(_: object, response: schemathesis.Response, __: schemathesis.Case) -> None:
    """A 503 has Retry-After."""
    if response.status_code == 503 and not response.headers.get("retry-after"):
        raise AssertionError("503 without Retry-After")
