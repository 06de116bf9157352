"""What Schemathesis learns of this service, named by its settings: lines of JSON, some checks more, what no request may
do, and a record of what was answered.

The environment says who asks: ASKING_SCOPES, ASKING_KEY (its public name); KEPT_RUN, a run that is to
stay open, with its alerts; and ANSWERS (the file of the record).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import schemathesis
from schemathesis.specs.openapi.checks import use_after_free

from service.api.scopes import OPEN, needed_scope

SCOPES = frozenset(os.environ["ASKING_SCOPES"].split())
OWN_KEY = os.environ["ASKING_KEY"]
KEPT_RUN = os.environ["KEPT_RUN"]
ANSWERS = Path(os.environ["ANSWERS"])
# A key that was revoked is told of for 90 days, with its state.
STAY = ("GET /v1/keys/{key_id}", "GET /v1/projects/{project}/keys/{key_id}")
END_RUNS = ("DELETE /v1/runs/{run_id}", "POST /v1/runs/{run_id}/end", "POST /v1/runs/{run_id}/outcome")
# Of a key that nobody has.
NOBODYS_KEY = "ak_aaaaaaaaaaaaaaaa"


@schemathesis.serializer("application/x-ndjson")
def to_lines(_: schemathesis.SerializationContext, value: object) -> bytes:
    """A body of lines: a text as it is, anything else as one line of JSON."""
    # The standard library's JSON: numbers of any length are part of what is sent.
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Keep what the test itself stands on: the key that asks, and that runs outlive the test.

    Sequences of operations take names from answers, so a key of an admin finds its own in the listing and would revoke
    it; after that everything is 401. A run that was ended takes no steps, and alerts go with their run. A project may
    keep its runs for a moment only, which would leave 404 to be seen.
    """
    del kwargs
    names = case.path_parameters or {}
    if OWN_KEY and names.get("key_id") == OWN_KEY:
        names["key_id"] = NOBODYS_KEY
    if case.operation.label in END_RUNS and names.get("run_id") == KEPT_RUN:
        names["run_id"] = "nobodys"
    privacy = case.body.get("privacy") if isinstance(case.body, dict) else None
    days = privacy.get("retention_days") if isinstance(privacy, dict) else None
    if isinstance(days, int | float) and not isinstance(days, bool) and 0 < days < 1:
        privacy["retention_days"] = 1


@schemathesis.check
def unavailable_says_when_to_retry(
    _: schemathesis.CheckContext, response: schemathesis.Response, __: schemathesis.Case
) -> None:
    """A 503 has Retry-After."""
    if response.status_code == 503 and not response.headers.get("retry-after"):
        raise AssertionError("503 without Retry-After")


@schemathesis.check
def what_is_deleted_is_gone(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """Schemathesis's own use_after_free, but for what stays on purpose: its settings know no exceptions to that one."""
    return None if case.operation.label in STAY else use_after_free(context, response, case)


@schemathesis.check
def the_scope_decides(_: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """A route is refused exactly where `scopes.TABLE` wants a scope that the key lacks."""
    method, path = response.request.method, unquote(urlsplit(response.request.url).path)
    need = needed_scope(str(method), path)
    entitled = need is OPEN or need in SCOPES
    status = response.status_code
    if "authorization" not in response.request.headers:
        # Some requests leave out what the document says is needed: the key is one such thing.
        if need is not OPEN and status not in {400, 401}:
            raise AssertionError(f"{status} without a key, though {method} {path} needs the scope {need}")
        return
    with ANSWERS.open("a") as record:
        # What a request of another method than the operation's was answered tells nothing of the operation.
        label = case.operation.label if method == case.operation.method.upper() else f"{method} {path}"
        record.write(json.dumps([label, status, response.elapsed]) + "\n")
    if entitled and status in {401, 403}:
        raise AssertionError(f"{status}, though the key has the scope {need} of {method} {path}")
    # The server itself answers 400 to what is no HTTP, before anybody looks at keys.
    if not entitled and status not in {400, 403}:
        raise AssertionError(f"{status}, though the key lacks the scope {need} of {method} {path}")
    if status in {401, 403} and not response.headers.get("www-authenticate"):
        raise AssertionError(f"{status} without WWW-Authenticate")
