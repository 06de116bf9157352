"""A chat endpoint on the loopback address that answers as each test scripts it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD: dict[str, Any] = {
    "format": 1,
    "name": "whatever the model calls it",
    "source": {"container": "json", "runs": ["/runs/*"], "events": ["/messages/*"], "task_id": "/task_id"},
    "event": {
        "cases": [
            {
                "when": {"/role": ["assistant"]},
                "acts": True,
                "fields": {
                    "action": [{"path": "/content"}],
                    "tool": [{"path": "/tool_calls/*/function/name"}],
                    "args": [{"path": "/tool_calls/*/function/arguments", "decode": "json"}],
                },
            },
            {"when": {"/role": ["tool"]}, "acts": False, "fields": {"result": [{"path": "/content"}]}},
            {"when": {"/role": ["user", "system"]}, "acts": False, "fields": {"observation": [{"path": "/content"}]}},
        ]
    },
    "status": {"ok_if_result": True},
}


@dataclass(frozen=True)
class Reply:
    """One scripted answer: a status, a body (an object is sent as JSON), headers, and how slowly it comes."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    drip_s: float = 0.0


def said(content: str | None, *, tokens: int | None = 900, finish: str = "stop", **message: Any) -> Reply:
    """A chat completion with this content."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    usage = {} if tokens is None else {"usage": {"total_tokens": tokens}}
    return Reply({"id": "x", "object": "chat.completion", "choices": [choice], **usage})


def proposed(spec: dict[str, Any], **options: Any) -> Reply:
    return said(json.dumps(spec), **options)


class Endpoint(ThreadingHTTPServer):
    """Answers with its script in order, the last one again and again; keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gives up on a slow answer is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        endpoint = self.server
        endpoint.requests.append(json.loads(self.rfile.read(length)))
        endpoint.authorizations.append(self.headers.get("Authorization"))
        endpoint.paths.append(self.path)
        reply = endpoint.script[min(len(endpoint.requests), len(endpoint.script)) - 1]
        time.sleep(reply.wait_s)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not reply.drip_s:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(reply.drip_s)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is the base class's
        """Tests print nothing."""
