"""The demo's service: `forewarn serve` as a process of its own, as users start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from forewarn.receiver import WebhookReceiver
from monitors.errors import ForewarnError

START_LIMIT_S = 60.0
USUAL_PORT = 8080


class DemoServiceError(ForewarnError):
    """The service did not start, or died."""


@contextmanager
def run_service(bundle: Path, folder: Path, port: int | None = None) -> Iterator[str]:
    """Start the service on a bundle and give its URL once it is ready; stop it at the end.

    Its log is `folder/serve.log`. Without a port it takes a free one. Webhooks to this machine are
    allowed for it alone. Raises DemoServiceError with the log's last line.
    """
    port = port or choose_port(usual=False)
    url = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    environment["FOREWARN_WEBHOOK_ALLOW"] = "127.0.0.1"
    command = [sys.executable, "-m", "forewarn", "serve", "--bundle", str(bundle), "--port", str(port)]
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--data-dir", str(folder / "data")], stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        _wait_until_ready(process, url, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def choose_port(*, usual: bool) -> int:
    """A port that is free now: if `usual`, the one that all pages and examples name, unless something has it."""
    for port in (USUAL_PORT, 0) if usual else (0,):
        with socket.socket() as probe:
            # As servers do: a port whose last connections are still in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoServiceError("no port is free")


def register_webhook(url: str, receiver: WebhookReceiver) -> None:
    """Have the service send its alerts to the receiver, signed with a secret that only the two know."""
    answer = httpx.post(f"{url}/v1/webhooks", json={"url": receiver.url, "description": "demo"})
    if answer.status_code != 201:
        raise DemoServiceError(f"the service refused the webhook: {answer.text}")
    receiver.trust(answer.json()["secret"])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoServiceError(f"the service ended with status {process.returncode}: {_last_line(log)}")
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise DemoServiceError(f"the service was not ready within {START_LIMIT_S:.0f} s: {_last_line(log)}")


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return f"{lines[-1]} (all of it: {log})" if lines else f"nothing in {log}"
