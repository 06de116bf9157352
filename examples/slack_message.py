"""Shows: the message that Slack gets about a failing run. Nothing goes to Slack: a stand-in on this machine takes it.

    python examples/slack_message.py

For the real one register the address of a Slack incoming webhook in the same way. The stand-in is on this machine, so
the service must be started with FOREWARN_WEBHOOK_ALLOW=127.0.0.1. Serve a monitor of the simulated help desk.
Reads FOREWARN_URL (http://127.0.0.1:8080) and, where the service has keys, FOREWARN_API_KEY (admin).
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx

from induction.helpdesk import simulate
from induction.helpdesk.chat import to_chat

URL = os.environ.get("FOREWARN_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("FOREWARN_API_KEY")
arrived: queue.Queue[dict[str, Any]] = queue.Queue()


class SlackStandIn(BaseHTTPRequestHandler):
    """Takes a message as Slack's incoming webhooks do."""

    def do_POST(self) -> None:
        """One message."""
        arrived.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: the message itself is printed."""


def main() -> None:
    """Register, let agents work until one is warned of, print the message."""
    slack = HTTPServer(("127.0.0.1", 0), SlackStandIn)
    threading.Thread(target=slack.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{slack.server_address[1]}/services/T0/B0/example"
    with httpx.Client(base_url=URL, headers={"Authorization": f"Bearer {KEY}"} if KEY else {}, timeout=10) as http:
        try:
            answer = http.post("/v1/webhooks", json={"url": address, "format": "slack"})
        except httpx.TransportError as error:
            sys.exit(f"no forewarn service answers at {URL} ({error}): start one with `make demo KEEP=1`")
        if answer.status_code != 201:
            sys.exit(
                f"the webhook was refused: {answer.json()['detail']} (see FOREWARN_WEBHOOK_ALLOW, FOREWARN_API_KEY)"
            )
        try:
            run_id = run_until_warned(http)
            print(f"an alert opened in {run_id}; Slack would show:\n")
            show(arrived.get(timeout=20))
        except queue.Empty:
            sys.exit("no message came in 20 s: GET /v1/webhooks/{id}/deliveries says why")
        finally:
            http.delete(f"/v1/webhooks/{answer.json()['id']}")


def run_until_warned(http: httpx.Client) -> str:
    """Post scripted agents' steps until an alert opens; the run in which it does."""
    for number, run in enumerate(simulate(30, seed=77)):
        run_id = f"slack-{uuid.uuid4().hex[:8]}-{number}"
        for step in to_chat(run)["messages"]:
            answer = http.post(f"/v1/runs/{run_id}/steps?wait=score", json=step).raise_for_status()
            if answer.json()["steps"][0].get("alert"):
                return run_id
    sys.exit("no alert in 30 runs: is the service's monitor one of the help desk? `make demo KEEP=1` serves one")


def show(message: dict[str, Any]) -> None:
    """The message as lines."""
    for block in message["blocks"]:
        for part in [block["text"]] if "text" in block else block["fields"]:
            print("  " + part["text"].replace("\n", " "))


if __name__ == "__main__":
    main()
