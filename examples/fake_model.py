"""A stand-in for a model behind the chat completions API, so that the examples run without one. No example by itself.

It asks for the first tool on offer until it has seen three results, then answers in words; always the same.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOL_CALLS = 3


@contextmanager
def fake_model() -> Iterator[str]:
    """The base URL of a model that answers while the `with` block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


def complete(asked: dict[str, Any]) -> dict[str, Any]:
    """The chat completion for a request."""
    seen = sum(message["role"] == "tool" for message in asked["messages"])
    message: dict[str, Any] = {"role": "assistant", "content": "I am sorry, I cannot find your order W-17."}
    if seen < TOOL_CALLS and asked.get("tools"):
        name = asked["tools"][0]["function"]["name"]
        call = {
            "id": f"call_{seen}",
            "type": "function",
            "function": {"name": name, "arguments": '{"order_id": "W-17"}'},
        }
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "fake", "choices": [choice], "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(complete(asked)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: the example says what happens."""
