"""A small receiver of forewarn's webhooks: it verifies signatures, keeps every alert once, and knows when each arrived.

For demos and tests, on the loopback address; a production receiver does the same in its own web framework.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import orjson
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

MAX_BODY_BYTES = 1 << 20
# How soon it leaves when it is told to.
LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class ReceivedAlert:
    """One verified alert. `arrived_ms` is when it first came, by this machine's clock."""

    webhook_id: str
    run_id: str
    data: dict[str, Any]
    arrived_ms: int

    @property
    def delay_ms(self) -> float:
        """From the alert's creation to its arrival. Means something only where both ends share a clock."""
        return float(self.arrived_ms - int(self.data["created_ms"]))


class WebhookReceiver:
    """Listens while the `with` block lasts. Answers 503 until `trust` names the secret, so that nothing early is
    lost."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._arrival = threading.Condition()
        self._alerts: dict[str, ReceivedAlert] = {}
        self._verifier: Webhook | None = None
        self.repeats = 0
        self.forged = 0
        self._server = _Server((host, port), _build_handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(LOOK_EVERY_S,), name="webhook-receiver", daemon=True
        )

    @property
    def url(self) -> str:
        """What to register as the webhook's URL."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/alerts"

    @property
    def alerts(self) -> list[ReceivedAlert]:
        """Every alert so far, each once, in the order of arrival."""
        with self._arrival:
            return list(self._alerts.values())

    def trust(self, secret: str) -> None:
        """Names the `whsec_…` secret that genuine webhooks are signed with."""
        self._verifier = Webhook(secret)

    def wait_for(self, count: int, timeout_s: float) -> list[ReceivedAlert]:
        """The alerts, once there are `count` of them or the time is over."""
        with self._arrival:
            self._arrival.wait_for(lambda: len(self._alerts) >= count, timeout_s)
            return list(self._alerts.values())

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The HTTP status for a request: 204 taken, 400 no alert, 401 wrong signature, 503 not ready."""
        arrived_ms = int(time.time() * 1000)
        if self._verifier is None:
            return 503
        try:
            self._verifier.verify(body, headers, json_parse=False)
            payload = orjson.loads(body)
        except (WebhookVerificationError, ValueError):
            with self._arrival:
                self.forged += 1
            return 401
        if payload.get("type") == "webhook.test":
            return 204
        if payload.get("type") != "run.alert":
            return 400
        webhook_id = next(value for name, value in headers.items() if name.lower() == "webhook-id")
        alert = ReceivedAlert(webhook_id, str(payload["data"]["run_id"]), payload["data"], arrived_ms)
        with self._arrival:
            if self._alerts.setdefault(webhook_id, alert) is not alert:
                self.repeats += 1
            self._arrival.notify_all()
        return 204

    def __enter__(self) -> WebhookReceiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # senders keep connections open: their threads end with the process
    request_queue_size = 128


def _build_handler(receiver: WebhookReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            raw_length = self.headers.get("Content-Length", "")
            length = int(raw_length) if raw_length.isascii() and raw_length.isdigit() else -1
            if not 0 <= length <= MAX_BODY_BYTES:
                self.close_connection = True
                self._answer(413 if length > 0 else 411)
                return
            self._answer(receiver.take(dict(self.headers.items()), self.rfile.read(length)))

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Nothing: the receiver's owner tells what came."""

    return Handler
