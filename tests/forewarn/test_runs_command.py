"""`forewarn runs delete`, against a service that answers as forewarn does."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from forewarn.cli import build_app
from monitors.errors import ForewarnError


class Answers(http.server.BaseHTTPRequestHandler):
    """Deletions that are done at the second look, but for the run that is never; no run `forbidden`."""

    asked: list[str]
    looks: int

    def answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self) -> None:
        type(self).asked.append(f"{self.path} {self.headers['authorization']}")
        if "forbidden" in self.path:
            self.answer(403, {"detail": "this needs an admin key"})
        else:
            self.answer(202, {"id": "del-" + self.path.rpartition("/")[2], "state": "under-way"})

    def do_GET(self) -> None:
        type(self).looks += 1
        done = type(self).looks > 1 and "never" not in self.path
        self.answer(200, {"id": unquote(self.path.rpartition("/")[2]), "state": "done" if done else "under-way"})

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    Answers.asked, Answers.looks = [], 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def delete(service: str, *arguments: str) -> Any:
    return CliRunner().invoke(build_app("runs"), ["runs", "delete", *arguments, "--url", service, "--api-key", "k"])


def test_runs_are_deleted_and_the_end_is_waited_for(service: str) -> None:
    result = delete(service, "a", "b/c")
    assert (result.exit_code, result.stdout) == (0, "a\tdone\tdel-a\nb/c\tdone\tdel-b%2Fc\n")
    assert Answers.asked == ["/v1/runs/a Bearer k", "/v1/runs/b%2Fc Bearer k"]


def test_the_answer_may_be_had_as_json_and_at_once(service: str) -> None:
    result = delete(service, "a", "--json", "--within-s", "0")
    assert json.loads(result.stdout) == [{"run_id": "a", "id": "del-a", "state": "under-way"}]
    assert (result.exit_code, Answers.looks) == (0, 0)


def test_what_is_not_done_in_time_is_said(service: str) -> None:
    result = delete(service, "never", "--within-s", "0.3")
    assert (result.exit_code, "not done in time" in result.stderr) == (1, True)


def test_a_refusal_is_told_in_the_services_words(service: str) -> None:
    result = delete(service, "forbidden")
    assert isinstance(result.exception, ForewarnError)
    assert "admin key" in str(result.exception)
