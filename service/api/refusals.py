"""Which problems each route answers with: the one table, by the problem's name. What every route may answer with is not
repeated in it. OTLP's routes tell errors as google.rpc.Status, and are not here.

/openapi.json says it to callers (`document.py`), and Schemathesis holds the service to it.
"""

from __future__ import annotations

EVERYWHERE = (
    "unauthenticated",
    "forbidden",
    "foreign-site",
    "not-found",
    "method-not-allowed",
    "misdirected",
    "too-many-guesses",
    "internal",
    "overloaded",
    "log-unavailable",
    "unavailable",
)
"""`not-found`: nothing is at the address; `overloaded`: Redis takes no more."""

# A body that the framework reads.
_JSON = "not-json bad-request invalid"
_STEPS = (
    "step-refused name-refused run-closed run-full late id-reused body-too-large over-burst unsupported-media-type "
    "unsupported-encoding invalid rate-limited too-many-live-runs no-monitor"
)
_SWITCH = "not-found monitor-refused monitor-in-use monitor-not-ready"

TABLE: tuple[tuple[str, str, str], ...] = (
    # runs
    ("POST", "/v1/steps", _STEPS),
    ("POST", "/v1/runs/{run_id}/steps", _STEPS),
    ("PUT", "/v1/runs/{run_id}", f"name-refused rate-limited too-many-live-runs no-monitor {_JSON}"),
    ("POST", "/v1/runs/{run_id}/end", "name-refused not-found rate-limited"),
    ("POST", "/v1/runs/{run_id}/outcome", f"name-refused not-found rate-limited {_JSON}"),
    ("DELETE", "/v1/runs/{run_id}/outcome", "name-refused not-found rate-limited"),
    ("DELETE", "/v1/runs/{run_id}", "name-refused"),
    ("GET", "/v1/deletions/{deletion_id}", "not-found"),
    ("GET", "/v1/runs", "name-refused invalid"),
    ("GET", "/v1/runs/{run_id}", "name-refused not-found invalid"),
    ("GET", "/v1/runs/{run_id}/steps", "name-refused not-found invalid"),
    ("GET", "/v1/runs/{run_id}/events", "name-refused not-found invalid overloaded"),
    ("GET", "/v1/events", "name-refused invalid overloaded"),
    ("GET", "/v1/live-runs", "invalid overloaded"),
    # alerts
    ("GET", "/v1/alerts", "name-refused invalid"),
    ("GET", "/v1/alerts/{alert_id}", "not-found"),
    ("POST", "/v1/alerts/{alert_id}/acknowledge", f"not-found {_JSON}"),
    # monitors
    ("GET", "/v1/monitors", ""),
    ("GET", "/v1/monitors/{monitor_id}", "not-found"),
    (
        "POST",
        "/v1/monitors/{monitor_id}/preview",
        "not-found step-refused body-too-large unsupported-media-type unsupported-encoding",
    ),
    ("POST", "/v1/monitors/{monitor_id}/activate", f"{_SWITCH} {_JSON}"),
    ("POST", "/v1/monitors/{monitor_id}/shadow", _SWITCH),
    ("DELETE", "/v1/monitors/{monitor_id}/shadow", "not-found"),
    ("POST", "/v1/monitors/rollback", f"{_SWITCH} {_JSON}"),
    (
        "POST",
        "/v1/monitors",
        "bundle-refused step-refused body-too-large unsupported-media-type unsupported-encoding invalid",
    ),
    ("DELETE", "/v1/monitors/{monitor_id}", "not-found monitor-in-use"),
    # what is kept
    ("GET", "/v1/privacy", ""),
    # quality
    ("GET", "/v1/quality", ""),
    ("GET", "/v1/monitors/{monitor_id}/quality", "not-found"),
    ("GET", "/v1/feedback", ""),
    ("PUT", "/v1/feedback", _JSON),
    # webhooks
    ("POST", "/v1/webhooks", f"target-refused too-many-webhooks format-incomplete {_JSON}"),
    ("GET", "/v1/webhooks", ""),
    ("GET", "/v1/webhooks/{webhook_id}", "not-found"),
    ("PATCH", "/v1/webhooks/{webhook_id}", f"not-found target-refused format-incomplete {_JSON}"),
    ("DELETE", "/v1/webhooks/{webhook_id}", "not-found"),
    ("POST", "/v1/webhooks/{webhook_id}/rotate-secret", f"not-found {_JSON}"),
    ("POST", "/v1/webhooks/{webhook_id}/enable", "not-found"),
    ("POST", "/v1/webhooks/{webhook_id}/test", "not-found"),
    ("GET", "/v1/webhooks/{webhook_id}/deliveries", "not-found invalid"),
    ("POST", "/v1/webhooks/{webhook_id}/redeliver", "not-found webhook-disabled invalid"),
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", "not-found webhook-disabled"),
    # keys and settings of the caller's project
    ("POST", "/v1/keys", f"conflict {_JSON}"),
    ("GET", "/v1/keys", ""),
    ("GET", "/v1/keys/{key_id}", "not-found"),
    ("POST", "/v1/keys/{key_id}/rotate", "not-found conflict invalid"),
    ("DELETE", "/v1/keys/{key_id}", "not-found"),
    ("GET", "/v1/project", ""),
    ("PUT", "/v1/project", _JSON),
    # all projects, and their keys
    ("GET", "/v1/projects", ""),
    ("POST", "/v1/projects", f"conflict {_JSON}"),
    ("GET", "/v1/projects/{project}", "not-found"),
    ("PUT", "/v1/projects/{project}", f"not-found {_JSON}"),
    ("DELETE", "/v1/projects/{project}", "not-found conflict"),
    ("POST", "/v1/projects/{project}/keys", f"not-found conflict {_JSON}"),
    ("GET", "/v1/projects/{project}/keys", "not-found"),
    ("GET", "/v1/projects/{project}/keys/{key_id}", "not-found"),
    ("POST", "/v1/projects/{project}/keys/{key_id}/rotate", "not-found conflict invalid"),
    ("DELETE", "/v1/projects/{project}/keys/{key_id}", "not-found"),
    # the record of what admins did
    ("GET", "/v1/audit", "name-refused invalid"),
    # operators
    ("GET", "/livez", ""),
    ("GET", "/readyz", ""),
    ("GET", "/metrics", ""),
)
