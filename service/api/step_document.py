"""What /openapi.json says of the routes that take steps: they read their requests themselves."""

from __future__ import annotations

from typing import Any

from service.api.bodies import NDJSON_TYPES
from service.api.step_views import Envelope, Line

WAIT_MS = 2000
LONGEST_WAIT_MS = 60_000

_WAITING: list[dict[str, Any]] = [
    {
        "name": "wait",
        "in": "query",
        "description": "`score`: answer once the steps are scored.",
        "schema": {"type": "string", "enum": ["score"]},
    },
    {
        "name": "timeout_ms",
        "in": "query",
        "description": "How long to wait for scores; then the answer is 202 with scored=false.",
        "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_WAIT_MS, "default": WAIT_MS},
    },
    {
        "name": "Content-Encoding",
        "in": "header",
        "description": "How the body is packed. Limits hold for what it unpacks to.",
        "schema": {"type": "string", "enum": ["gzip", "identity"], "default": "identity"},
    },
]
_PARAMETERS: list[dict[str, Any]] = [
    *_WAITING,
    {
        "name": "envelope",
        "in": "query",
        "description": 'Each item is `{"step": …, "id"?: …, "seq"?: …}`.',
        "schema": {"type": "boolean", "default": False},
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Names a single step: a repeat of it is a duplicate.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    },
]

STEPS_DOCUMENT: dict[str, Any] = {
    "parameters": _PARAMETERS,
    "requestBody": {
        "required": True,
        "description": "One raw step as the agent emits it (an object, or a string for a piece of text log), or an "
        "array of them; with `?envelope=true` each in an envelope.",
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"type": "object"},
                        {"type": "string"},
                        {"type": "array", "items": {"oneOf": [{"type": "object"}, {"type": "string"}]}},
                    ]
                },
                "examples": {
                    "step": {"value": {"role": "assistant", "content": "Let me look that up."}},
                    "envelope": {
                        "value": Envelope(step={"role": "user", "content": "Hello"}, id="a1").model_dump(
                            exclude_none=True
                        )
                    },
                },
            }
        },
    },
}


LINES_DOCUMENT: dict[str, Any] = {
    "parameters": _WAITING,
    "requestBody": {
        "required": True,
        "description": "One step a line, each of any run: "
        '`{"run_id": text, "step": raw step, "id"?: text, "seq"?: integer}`.',
        "content": {
            NDJSON_TYPES[0]: {
                "schema": {"type": "string", "description": "Lines, each of them a `Line` as JSON."},
                "examples": {
                    "lines": {
                        "value": "\n".join(
                            Line(run_id=run_id, step={"role": "user", "content": "Hello"}).model_dump_json(
                                exclude_none=True
                            )
                            for run_id in ("r-1", "r-2")
                        )
                    }
                },
            }
        },
    },
}
