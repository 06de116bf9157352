"""A real Prometheus over a service whose load makes everything that dashboards and rules ask for."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import orjson
import redis
import yaml

from monitors import Monitor
from tests.deploy.composed import DEPLOY
from tests.ports import free_port
from tests.service.live import Service, running
from tests.service.other_bundle import write_twin
from tests.tiny_bundle import TinyBundle

FOLDER = DEPLOY / "prometheus"
ENVIRONMENT = {"FOREWARN_WEBHOOK_ALLOW": "127.0.0.0/8"}


@dataclass
class Watched:
    """The service, and the Prometheus that scrapes it."""

    service: Service
    http: httpx.Client

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The samples that an expression has now."""
        answer = self.http.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        # Nothing divided by nothing is no data.
        return [one for one in answer.json()["data"]["result"] if one["value"][1] != "NaN"]

    def until(self, expression: str, within_s: float = 45.0) -> list[dict[str, Any]]:
        """Its samples, once there are some."""
        deadline = time.monotonic() + within_s
        while not (found := self.ask(expression)):
            assert time.monotonic() < deadline, f"no data: {expression}"
            time.sleep(0.5)
        return found


@contextlib.contextmanager
def watched(folder: Path, tiny: TinyBundle) -> Iterator[Watched]:
    """Both, after the load, with all that is slow to come there."""
    twin = write_twin(tiny.path, folder / "twin")
    command = ("--bundle", str(tiny.path), "--device", "cpu", "--workers", "2")
    with contextlib.ExitStack() as stack:
        good, bad = (stack.enter_context(receiver(status)) for status in (204, 410))
        service = stack.enter_context(running(folder / "service", *command, environment=ENVIRONMENT))
        service.until_ready()
        prometheus = stack.enter_context(scraping(folder, str(service.http.base_url)))
        one = Watched(service, prometheus)
        shadow(service, twin)
        for url in (good, bad):
            assert service.http.post("/v1/webhooks", json={"url": url}).status_code == 201
        # What the load does is a rise only from a sample before it.
        one.until("forewarn_webhook_alert_to_delivered_seconds_bucket")
        load(service, tiny)
        park(folder / "service" / "data" / "redis" / "redis.sock")
        # What is told of quality rests on looks at runs that ended ten seconds ago.
        for metric in ("forewarn_symbol_stability_index", "forewarn_calibration_z", "forewarn_parked_steps > 0"):
            one.until(metric)
        yield one


def shadow(service: Service, twin: Path) -> None:
    """Register the twin, and let it score beside the other."""
    done = subprocess.run(
        [sys.executable, "-m", "forewarn", "monitors", "add", str(twin), f"--url={service.http.base_url}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    twin_id = Monitor.read(twin, device="cpu").monitor_id
    assert service.http.post(f"/v1/monitors/{twin_id}/shadow", timeout=60).status_code in (200, 201)


def load(service: Service, tiny: TinyBundle) -> None:
    """Every run of the corpus, step by step of all at once; some stay live, the others end with their outcomes."""
    for place in range(max(map(len, tiny.corpus.runs))):
        lines = [
            orjson.dumps({"run_id": f"r{number}", "step": run[place]})
            for number, run in enumerate(tiny.corpus.runs)
            if place < len(run)
        ]
        answer = service.http.post(
            "/v1/steps", content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"}
        )
        assert answer.status_code == 202, answer.text
        # Some scrapes must lie within the load, or nothing has a rate.
        time.sleep(0.25)
    for number, (run, success) in enumerate(zip(tiny.corpus.runs, tiny.corpus.successes, strict=True)):
        service.until_scored(f"r{number}", len(run))
        if number >= 12:
            answer = service.http.post(f"/v1/runs/r{number}/outcome", json={"success": success})
            assert answer.status_code == 200, answer.text
    assert service.http.post("/v1/runs/r0/steps", content=b"{", headers={"Content-Type": "application/json"}).is_error


def park(socket: Path) -> None:
    """Put a step aside as a worker does: no step that is well-formed makes a monitor fail."""
    with redis.Redis(unix_socket_path=str(socket)) as client:
        client.xadd("{p00}:parked", {"r": "default:r0", "p": 0, "t": 0, "i": "", "d": "{}", "why": "a test"})


@contextlib.contextmanager
def receiver(status: int) -> Iterator[str]:
    """A webhook's receiver that always answers so; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def scraping(folder: Path, url: str) -> Iterator[httpx.Client]:
    """Prometheus with the project's own configuration and rules, everything every second, over this one service."""
    (folder / "rules").mkdir()
    for path in (FOLDER / "rules").glob("*.yml"):
        (folder / "rules" / path.name).write_text(re.sub(r"interval: \d+s", "interval: 1s", path.read_text()))
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    del config["alerting"]
    config["scrape_configs"] = config["scrape_configs"][:1]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [url.removeprefix("http://").rstrip("/")]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            until(lambda: is_up(http), (folder / "prometheus.log").read_text)
            yield http
    finally:
        process.terminate()
        process.wait(20)


def is_up(http: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return http.get("/-/ready").status_code == 200
    return False


def until(holds: Callable[[], bool], told: Callable[[], str]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)
