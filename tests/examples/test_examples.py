"""Each example runs as a user runs it, against a live service, and does what it says."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.examples.conftest import ROOT, Run
from tests.service.live import Service

pytestmark = pytest.mark.slow

STOPPED = re.compile(r"^agent +(\d+): STOPPED at step (\d+) of (\d+)", re.MULTILINE)


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_curl_posts_repeats_ends_and_reads_the_curve(run_example: Run) -> None:
    done = run_example("curl.sh")
    assert done.returncode == 0, done.stderr
    first, sent, again, ended, run, outcome = (
        json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")
    )
    assert first["steps"][0]["scored"] is True
    assert (sent["accepted"], again["duplicates"]) == (1, 1)
    assert ended["ended"] is True
    assert [score["position"] for score in run["scores"]] == [0, 1]
    assert outcome["success"] is True


def test_curl_without_the_key_is_refused_by_name(run_example: Run) -> None:
    done = run_example("curl.sh", FOREWARN_API_KEY="")
    assert done.returncode != 0
    assert '"status":401' in done.stdout


@pytest.mark.parametrize("name", ["curl.sh", "stop_a_failing_agent.py", "opentelemetry_sdk.py", "slack_message.py"])
def test_an_example_without_a_service_says_how_to_start_one(run_example: Run, name: str) -> None:
    done = run_example(name, FOREWARN_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "make demo KEEP=1" in done.stderr or "forewarn serve" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def stopping(environment: dict[str, str]) -> str:
    """What the example of the stopped agent prints: two tests read it."""
    command = [sys.executable, str(ROOT / "examples" / "stop_a_failing_agent.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_failing_agent_is_stopped_before_its_last_step(stopping: str, service: Service) -> None:
    stopped = [tuple(map(int, found)) for found in STOPPED.findall(stopping)]
    assert any(step < steps for _, step, steps in stopped), stopping
    saved = sum(steps - step for _, step, steps in stopped)
    assert f"{len(stopped)} of 12 agents stopped, {saved} steps saved" in stopping
    # The service has not seen a step beyond the one that warned.
    runs = {run["run_id"]: run for run in service.http.get("/v1/runs?limit=500").json()["runs"]}
    for number, step, _ in stopped:
        (run,) = [one for name, one in runs.items() if re.fullmatch(rf"stop-[0-9a-f]{{8}}-{number}", name)]
        assert (run["steps"], run["alerts"], run["state"]) == (step, 1, "ended")


def test_the_monitor_in_the_process_stops_where_the_service_does(
    stopping: str, run_example: Run, desk_bundle: Path
) -> None:
    alone = run_example("in_process.py", str(desk_bundle))
    assert alone.returncode == 0, alone.stderr
    assert STOPPED.findall(alone.stdout) == STOPPED.findall(stopping) != []


class Busy(BaseHTTPRequestHandler):
    """Is busy twice, then takes the step, then is silent for ever."""

    bodies: list[Any]

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        taken = len(self.bodies) > 2
        body = json.dumps({"steps": [{"position": 0, "scored": True, "alert": True}]}).encode() if taken else b""
        self.send_response(200 if taken else (429, 503)[len(self.bodies) - 1])
        if not taken:
            self.send_header("Retry-After", "0.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Tests print nothing."""


def test_a_busy_service_is_asked_again_with_the_same_id() -> None:
    Busy.bodies = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_address[1]}") as http:
        assert load("stop_a_failing_agent").Watch(http, "r").warns({"role": "user"}) is True
    server.shutdown()
    server.server_close()
    assert Busy.bodies == [[{"step": {"role": "user"}, "id": "step-0"}]] * 3


def test_an_agent_goes_on_unscored_where_nobody_answers() -> None:
    with httpx.Client(base_url="http://127.0.0.1:9", timeout=1) as http:
        watch = load("stop_a_failing_agent").Watch(http, "r")
        assert watch.warns({"role": "user"}) is False
    assert watch.unscored == 1


def test_the_spans_of_the_sdk_are_all_scored(run_example: Run) -> None:
    done = run_example("opentelemetry_sdk.py")
    assert done.returncode == 0, done.stderr
    assert "9 of 9 spans scored" in done.stdout


def test_every_message_of_the_tool_loop_is_scored_in_order(run_example: Run, service: Service) -> None:
    done = run_example("openai_tool_loop.py")
    assert done.returncode == 0, done.stderr
    roles = re.findall(r"^(\w+) +P\(fails\) [01]\.\d\d ", done.stdout, re.MULTILINE)
    warned = "forewarn warns" in done.stdout
    whole = ["system", "user", *["assistant", "tool"] * 3, "assistant"]
    assert roles == (whole[: len(roles)] if warned else whole)
    assert len(roles) >= 3


@pytest.fixture
def receiver(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running receiver and its address."""
    command = [sys.executable, str(ROOT / "examples" / "webhook_receiver.py")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        yield process, process.stdout.readline().split()[2].rstrip(";")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_the_receiver_takes_genuine_webhooks_only(
    receiver: tuple[subprocess.Popen[str], str], service: Service
) -> None:
    process, address = receiver
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "webhook.test"  # signed by the service itself
    (webhook,) = [one for one in service.http.get("/v1/webhooks").json()["webhooks"] if one["url"] == address]
    rotated = service.http.post(f"/v1/webhooks/{webhook['id']}/rotate-secret").json()
    forged = sign(rotated["secret"], "msg_1", b'{"type": "run.alert", "data": {}}')
    assert httpx.post(address, content=b'{"type": "run.alert", "data": {}}', headers=forged).status_code == 401
    assert process.stdout.readline().strip() == "refused: the signature is wrong"


def sign(secret: str, webhook_id: str, body: bytes) -> dict[str, str]:
    """The headers of a webhook."""
    import datetime as dt

    now = dt.datetime.now(dt.UTC)
    signature = Webhook(secret).sign(webhook_id, now, body.decode())
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def test_a_tampered_body_is_refused_and_a_repeat_taken_once() -> None:
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    receiver = load("webhook_receiver").Receiver(0)
    body = b'{"type": "run.alert", "data": {"run_id": "a"}}'
    try:
        assert receiver.take(sign(secret, "msg_1", body), body) == 503  # before the secret is known
        receiver.verifier = Webhook(secret)
        assert receiver.take(sign(secret, "msg_1", body), body.replace(b'"a"', b'"b"')) == 401
        assert [receiver.take(sign(secret, "msg_1", body), body) for _ in range(2)] == [204, 204]
        assert receiver.inbox.qsize() == 1
    finally:
        receiver.server_close()


def test_slack_would_show_the_run_and_how_likely_it_fails(run_example: Run) -> None:
    done = run_example("slack_message.py")
    assert done.returncode == 0, done.stderr
    run_id = re.search(r"^an alert opened in (slack-\S+);", done.stdout)
    assert run_id is not None
    assert f"*Run* {run_id[1]}" in done.stdout
    assert re.search(r"\*Failure probability\* \d+%", done.stdout)


@pytest.mark.parametrize("name", ["langgraph", "openai-agents"])
def test_every_span_of_an_instrumented_framework_is_scored_under_its_session(
    run_example: Run, service: Service, name: str
) -> None:
    needs_the_extra()
    done = run_example({"langgraph": "langgraph_agent.py", "openai-agents": "openai_agents_sdk.py"}[name])
    assert done.returncode == 0, done.stderr
    assert "agent: I am sorry, I cannot find your order W-17." in done.stdout
    found = re.search(r"^run (\S+): (\d+) of (\d+) spans scored", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    assert found[2] == found[3]
    # The root, four answers of the model and three calls of the tool at the very least.
    assert int(found[3]) >= 8
    assert service.http.get(f"/v1/runs/{found[1]}").json()["agent"] == name


def needs_the_extra() -> None:
    """Skip without the extra `examples`, unless everything is required."""
    missing = [name for name in ("langgraph", "agents", "openinference") if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("FOREWARN_REQUIRE") != "all":
        pytest.skip(f"needs the extra examples: {', '.join(missing)} is missing")
    assert not missing
