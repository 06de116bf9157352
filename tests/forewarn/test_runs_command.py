"""`forewarn runs`, against a service that answers as forewarn does."""

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
from forewarn.commands.runs import print_table, to_row
from monitors.errors import ForewarnError

STEPS: list[dict[str, Any]] = [
    {
        "position": 0,
        "risk": 0.25,
        "failure_probability": 0.5,
        "symbol": 3,
        "moved": [
            {"field": "action", "text": "", "weight": 0.5},
            {"field": "action", "text": "o\x1b[2J", "weight": -0.25},
        ],
        "raw": {"role": "user", "content": "tab\there \x1b[31mred"},
        "raw_missing": None,
    },
    {
        "position": 1,
        "risk": None,
        "failure_probability": None,
        "symbol": None,
        "moved": None,
        "raw": None,
        "raw_missing": "no-content",
    },
]


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
        address, _, query = self.path.partition("?")
        if address.endswith("/steps"):
            first = int(query.partition("first=")[2].partition("&")[0])
            self.answer(200, {"steps": [STEPS[first]], "next": first + 1 if first + 1 < len(STEPS) else None})
            return
        type(self).looks += 1
        done = type(self).looks > 1 and "never" not in self.path
        self.answer(200, {"id": unquote(self.path.rpartition("/")[2]), "state": "done" if done else "under-way"})

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    Answers.asked, Answers.looks = [], 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
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


def show(service: str, *arguments: str) -> Any:
    return CliRunner().invoke(build_app("runs"), ["runs", "show", "a", *arguments, "--url", service, "--api-key", "k"])


def test_a_runs_steps_are_lines_in_a_pipe_and_nothing_in_them_acts_on_a_terminal(service: str) -> None:
    result = show(service)
    first, second = result.stdout.splitlines()
    assert first.split("\t")[:5] == ["0", "0.250", "0.500", "3", "action +0.50, o [2J -0.25"]
    assert second == "1\t\t\t\t\t(no-content)"
    assert "\x1b" not in result.stdout


def test_a_runs_steps_may_be_had_as_json(service: str) -> None:
    assert json.loads(show(service, "--json").stdout) == {"run_id": "a", "steps": STEPS, "next": None}


def test_that_a_run_has_more_steps_is_said_with_how_to_go_on(service: str) -> None:
    result = show(service, "--limit", "1")
    assert len(result.stdout.splitlines()) == 1
    assert "--first 1" in result.stderr


def test_on_a_terminal_steps_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([to_row(step) for step in STEPS])
    shown = capsys.readouterr().out
    assert "moved the score" in shown
    assert "(no-content)" in shown
    assert "\x1b" not in shown
