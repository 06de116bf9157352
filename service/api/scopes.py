"""Which scope each route needs: the one table. What is not in it needs `admin`, so a route that nobody thought of is
shut, not open.

Paths are written as in the application's routes; `{name}` stands for one segment of the address. OPEN routes need no
key: they tell nothing of a run, and set nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from typing import NamedTuple

from starlette.routing import compile_path

from service.core.tenants.access import Scope

OPEN = None
Need = Scope | None

TABLE: tuple[tuple[str, str, Need], ...] = (
    # operators
    ("GET", "/livez", OPEN),
    ("GET", "/readyz", OPEN),
    ("GET", "/metrics", OPEN),
    ("GET", "/openapi.json", OPEN),
    # the web page
    ("GET", "/sign-in", OPEN),
    ("POST", "/sign-in", OPEN),
    ("POST", "/sign-out", OPEN),
    ("GET", "/static/{name}", OPEN),
    ("GET", "/", "read"),
    ("GET", "/runs/{run_id}", "read"),
    ("GET", "/alerts", "read"),
    ("GET", "/alerts/{alert_id}", "read"),
    ("POST", "/alerts/{alert_id}/acknowledge", "read"),
    ("GET", "/monitors", "read"),
    ("GET", "/monitors/{monitor_id}", "read"),
    ("GET", "/monitors/{monitor_id}/automaton.svg", "read"),
    ("POST", "/monitors/rollback", "admin"),
    ("POST", "/monitors/{monitor_id}/activate", "admin"),
    ("POST", "/monitors/{monitor_id}/shadow", "admin"),
    ("POST", "/monitors/{monitor_id}/unshadow", "admin"),
    ("GET", "/webhooks", "admin"),
    ("POST", "/webhooks", "admin"),
    ("GET", "/webhooks/{webhook_id}", "admin"),
    ("POST", "/webhooks/{webhook_id}/test", "admin"),
    ("POST", "/webhooks/{webhook_id}/enable", "admin"),
    ("POST", "/webhooks/{webhook_id}/rotate-secret", "admin"),
    ("POST", "/webhooks/{webhook_id}/delete", "admin"),
    ("POST", "/webhooks/{webhook_id}/redeliver", "admin"),
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", "admin"),
    ("GET", "/keys", "admin"),
    ("POST", "/keys", "admin"),
    ("POST", "/keys/{key_id}/rotate", "admin"),
    ("POST", "/keys/{key_id}/revoke", "admin"),
    # Of the caller's own project; an operator's of any.
    ("GET", "/projects", "admin"),
    ("GET", "/projects/{project}", "admin"),
    ("POST", "/projects/{project}/privacy", "admin"),
    ("POST", "/projects/{project}/feedback", "admin"),
    ("POST", "/projects", "operate"),
    ("POST", "/projects/{project}/limits", "operate"),
    ("POST", "/projects/{project}/delete", "operate"),
    ("GET", "/projects/{project}/keys", "operate"),
    ("POST", "/projects/{project}/keys", "operate"),
    ("POST", "/projects/{project}/keys/{key_id}/rotate", "operate"),
    ("POST", "/projects/{project}/keys/{key_id}/revoke", "operate"),
    ("GET", "/audit", "admin"),
    ("POST", "/deletions", "admin"),
    ("GET", "/deletions/{deletion_id}", "admin"),
    # runs
    ("POST", "/v1/steps", "ingest"),
    ("POST", "/v1/runs/{run_id}/steps", "ingest"),
    ("POST", "/v1/traces", "ingest"),
    ("POST", "/v1/logs", "ingest"),
    ("PUT", "/v1/runs/{run_id}", "ingest"),
    ("POST", "/v1/runs/{run_id}/end", "ingest"),
    ("POST", "/v1/runs/{run_id}/outcome", "ingest"),
    ("DELETE", "/v1/runs/{run_id}/outcome", "ingest"),
    ("DELETE", "/v1/runs/{run_id}", "admin"),
    ("GET", "/v1/deletions/{deletion_id}", "admin"),
    ("GET", "/v1/runs", "read"),
    ("GET", "/v1/runs/{run_id}", "read"),
    ("GET", "/v1/runs/{run_id}/steps", "read"),
    ("GET", "/v1/runs/{run_id}/events", "read"),
    ("GET", "/v1/events", "read"),
    ("GET", "/v1/live-runs", "read"),
    # alerts
    ("GET", "/v1/alerts", "read"),
    ("GET", "/v1/alerts/{alert_id}", "read"),
    ("POST", "/v1/alerts/{alert_id}/acknowledge", "read"),
    # monitors
    ("GET", "/v1/monitors", "read"),
    ("GET", "/v1/monitors/{monitor_id}", "read"),
    ("POST", "/v1/monitors/{monitor_id}/preview", "read"),
    ("POST", "/v1/monitors/{monitor_id}/activate", "admin"),
    ("POST", "/v1/monitors/{monitor_id}/shadow", "admin"),
    ("DELETE", "/v1/monitors/{monitor_id}/shadow", "admin"),
    ("POST", "/v1/monitors/rollback", "admin"),
    # What is registered is loaded by workers that all projects share.
    ("POST", "/v1/monitors", "operate"),
    ("DELETE", "/v1/monitors/{monitor_id}", "operate"),
    # what is kept
    ("GET", "/v1/privacy", "read"),
    # quality
    ("GET", "/v1/quality", "read"),
    ("GET", "/v1/monitors/{monitor_id}/quality", "read"),
    ("GET", "/v1/feedback", "read"),
    ("PUT", "/v1/feedback", "admin"),
    # webhooks
    ("POST", "/v1/webhooks", "admin"),
    ("GET", "/v1/webhooks", "admin"),
    ("GET", "/v1/webhooks/{webhook_id}", "admin"),
    ("PATCH", "/v1/webhooks/{webhook_id}", "admin"),
    ("DELETE", "/v1/webhooks/{webhook_id}", "admin"),
    ("POST", "/v1/webhooks/{webhook_id}/rotate-secret", "admin"),
    ("POST", "/v1/webhooks/{webhook_id}/enable", "admin"),
    ("POST", "/v1/webhooks/{webhook_id}/test", "admin"),
    ("GET", "/v1/webhooks/{webhook_id}/deliveries", "admin"),
    ("POST", "/v1/webhooks/{webhook_id}/redeliver", "admin"),
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", "admin"),
    # keys and settings of the caller's project
    ("POST", "/v1/keys", "admin"),
    ("GET", "/v1/keys", "admin"),
    ("GET", "/v1/keys/{key_id}", "admin"),
    ("POST", "/v1/keys/{key_id}/rotate", "admin"),
    ("DELETE", "/v1/keys/{key_id}", "admin"),
    ("GET", "/v1/project", "admin"),
    ("PUT", "/v1/project", "admin"),
    # all projects, and their keys
    ("GET", "/v1/projects", "operate"),
    ("POST", "/v1/projects", "operate"),
    ("GET", "/v1/projects/{project}", "operate"),
    ("PUT", "/v1/projects/{project}", "operate"),
    ("DELETE", "/v1/projects/{project}", "operate"),
    ("POST", "/v1/projects/{project}/keys", "operate"),
    ("GET", "/v1/projects/{project}/keys", "operate"),
    ("GET", "/v1/projects/{project}/keys/{key_id}", "operate"),
    ("POST", "/v1/projects/{project}/keys/{key_id}/rotate", "operate"),
    ("DELETE", "/v1/projects/{project}/keys/{key_id}", "operate"),
    # the record of what admins did
    ("GET", "/v1/audit", "admin"),
)
EVERYTHING_ELSE: Scope = "admin"


def needed_scope(method: str, path: str) -> Need:
    """What a request needs; OPEN where no key. The path as the router sees it, decoded."""
    if method == "HEAD":
        method = "GET"
    found = [row for row in _rows().get((method, path.count("/")), ()) if row.pattern.match(path)]
    # The pattern with the fewest variables says most about the path: `/v1/x/active` goes before `/v1/x/{id}`.
    return min(found, key=lambda row: row.variables).need if found else EVERYTHING_ELSE


class _Row(NamedTuple):
    pattern: re.Pattern[str]
    variables: int
    need: Need


@cache
def _rows() -> dict[tuple[str, int], list[_Row]]:
    """The table by method and number of segments, each path compiled as the router compiles it."""
    rows: dict[tuple[str, int], list[_Row]] = defaultdict(list)
    for method, path, need in TABLE:
        pattern, _, variables = compile_path(path)
        rows[method, path.count("/")].append(_Row(pattern, len(variables), need))
    return rows
