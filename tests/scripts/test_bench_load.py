"""The load plays runs: real wrk against a small server that keeps what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from scripts.bench.events import Script, write_scripts
from scripts.bench.load import STEPS_A_REQUEST, Load, run_load

pytestmark = [pytest.mark.needs("wrk"), pytest.mark.slow]

SCRIPTS = [Script(tuple(orjson.dumps({"script": script, "step": step}) for step in range(6))) for script in range(3)]


class Ledger(ThreadingHTTPServer):
    """Keeps every request: path and body."""

    daemon_threads = True

    def __init__(self, status: int = 202) -> None:
        self.requests: list[tuple[str, bytes]] = []
        ledger = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                ledger.requests.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Nothing."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    path = tmp_path / "scripts.txt"
    write_scripts(SCRIPTS, path)
    return path


def test_single_steps_play_each_run_in_the_order_of_its_script(ledger: Ledger, scripts: Path) -> None:
    result = run_load(Load("single", 1, 1, live_runs=5), ledger.url, scripts, "t")
    # wrk counts what was answered; the last request may have been cut off.
    assert 0 <= len(ledger.requests) - result.requests <= 1
    assert result.refused == result.broken == 0
    runs: dict[str, list[dict[str, int]]] = {}
    for path, body in ledger.requests:
        assert path.startswith("/v1/runs/t-")
        assert path.endswith("/steps")
        runs.setdefault(path, []).append(orjson.loads(body))
    assert len(runs) > 5
    for steps in runs.values():
        assert len({step["script"] for step in steps}) == 1
        numbers = [step["step"] for step in steps]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    # A place that has come free is taken by a new run, which begins at the beginning.
    assert all(steps[0]["step"] == 0 for path, steps in runs.items() if not path.endswith("-0/steps"))


def test_a_request_of_many_steps_holds_one_of_each_of_as_many_runs(ledger: Ledger, scripts: Path) -> None:
    run_load(Load("ndjson", 1, 2, live_runs=64), ledger.url, scripts, "t")
    for path, body in ledger.requests[:-2]:
        lines = [orjson.loads(line) for line in body.split(b"\n")]
        assert path == "/v1/steps"
        assert len({line["run_id"] for line in lines}) == len(lines) == STEPS_A_REQUEST
        assert all(line["step"].keys() == {"script", "step"} for line in lines)


def test_a_paced_load_keeps_its_pace(ledger: Ledger, scripts: Path) -> None:
    result = run_load(Load("single", 2, 4, rate=50.0), ledger.url, scripts, "t")
    assert 80 <= result.requests <= 105


def test_refused_requests_are_told_from_others(scripts: Path) -> None:
    with Ledger(status=503) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        result = run_load(Load("single", 1, 1, rate=20.0), server.url, scripts, "t")
        server.shutdown()
        thread.join()
    assert result.refused == result.requests > 0
    assert result.answered_per_s == 0
