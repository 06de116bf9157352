"""Shows: a receiver of forewarn's webhooks that verifies signatures, takes each alert once, and answers at once.

    python examples/webhook_receiver.py [PORT]

Registers itself with the service (an admin key, where it has keys), has a test event sent, and listens until Ctrl-C.
The service must be allowed to reach this machine: start it with FOREWARN_WEBHOOK_ALLOW=127.0.0.1.
Reads FOREWARN_URL (http://127.0.0.1:8080) and FOREWARN_API_KEY.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

URL = os.environ.get("FOREWARN_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("FOREWARN_API_KEY")
MAX_BODY_BYTES = 1 << 20
IDS_KEPT = 10_000


class Receiver(ThreadingHTTPServer):
    """Takes what is genuine and new into `inbox`."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.verifier: Webhook | None = None
        self.inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._seen: dict[str, None] = {}
        self._lock = threading.Lock()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status to answer. Nothing slow happens here: forewarn waits 10 s at most, then sends it again."""
        if self.verifier is None:
            return 503  # the secret is not known yet: it will be sent again
        try:
            event = self.verifier.verify(body, headers)  # over the very bytes that came; also refuses old timestamps
        except WebhookVerificationError:
            print("refused: the signature is wrong", flush=True)
            return 401
        webhook_id = headers["webhook-id"]
        with self._lock:
            if webhook_id in self._seen:  # at least once means that repeats come
                print(f"repeat of {webhook_id}", flush=True)
                return 204
            self._seen[webhook_id] = None
            if len(self._seen) > IDS_KEPT:
                del self._seen[next(iter(self._seen))]
        self.inbox.put(event)
        return 204


class Handler(BaseHTTPRequestHandler):
    """Reads a bounded body and answers."""

    server: Receiver
    timeout = 10

    def do_POST(self) -> None:
        """One delivery."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.send_error(413)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(self.server.take(headers, self.rfile.read(int(length))))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: what came is printed below."""


def main() -> None:
    """Register, then print what comes: page somebody, or stop the agent, in place of that."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # in the background of a script Ctrl-C alone would be ignored
        signal.signal(ending, signal.default_int_handler)
    receiver = Receiver(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{receiver.server_address[1]}/alerts"
    with httpx.Client(base_url=URL, headers={"Authorization": f"Bearer {KEY}"} if KEY else {}, timeout=10) as http:
        try:
            answer = http.post("/v1/webhooks", json={"url": address})
        except httpx.TransportError as error:
            sys.exit(f"no forewarn service answers at {URL} ({error}): start one with `make demo KEEP=1`")
        if answer.status_code != 201:
            sys.exit(
                f"the webhook was refused: {answer.json()['detail']} (see FOREWARN_WEBHOOK_ALLOW, FOREWARN_API_KEY)"
            )
        webhook = answer.json()
        receiver.verifier = Webhook(webhook["secret"])  # shown this once: keep it as you keep passwords
        print(f"listening at {address}; Ctrl-C ends", flush=True)
        try:
            http.post(f"/v1/webhooks/{webhook['id']}/test")
            while True:
                event = receiver.inbox.get()
                data = event["data"]
                print(f"{event['type']}: {data.get('severity', '')} {data.get('run_id', '')}".rstrip(" :"), flush=True)
        except KeyboardInterrupt:
            http.delete(f"/v1/webhooks/{webhook['id']}")


if __name__ == "__main__":
    main()
