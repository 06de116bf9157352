"""Schemathesis run over the live service with one key, and what it was answered."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from monitors.bundle.folder import read_monitor_id
from monitors.monitor import Monitor
from service.core.tenants.access import Scope
from tests.ports import free_port
from tests.service.hostile.conftest import OPERATOR_KEY
from tests.service.live import Service
from tests.service.other_bundle import write_twin
from tests.tiny_bundle import TinyBundle

ROOT = Path(__file__).resolve().parents[3]
TAKEN = ["2xx", "404", "409", "429", "503"]
# What may be refused though its schema allows it, because OpenAPI has no words for the reason: what a place in a
# listing or a stream is, what a bundle is, what a line is, that ?envelope=true or a Content-Encoding asks for another
# body, where a webhook may lead, what a time zone or a pattern is, that two rules may not have one name.
ALSO_EXPECTED = {
    "GET /v1/alerts": "400",
    "GET /v1/audit": "400",
    "GET /v1/events": "400",
    "GET /v1/runs/{run_id}/events": "400",
    "GET /v1/runs": "400",
    "PATCH /v1/webhooks/{webhook_id}": "422",
    "POST /v1/monitors": "422",
    "POST /v1/runs/{run_id}/steps": "400",
    "POST /v1/steps": "400",
    "POST /v1/webhooks": "422",
    "PUT /v1/project": "422",
    "PUT /v1/projects/{project}": "422",
}
# Those that end the thing they name get names of their own: the others are to find theirs. Names of projects come from
# listings as well, and keys are made in them, so there are many.
ENDING = {
    "DELETE /v1/runs/{run_id}": "run_id",
    "POST /v1/runs/{run_id}/end": "run_id",
    "POST /v1/runs/{run_id}/outcome": "run_id",
    "DELETE /v1/webhooks/{webhook_id}": "webhook_id",
    "DELETE /v1/keys/{key_id}": "key_id",
    "DELETE /v1/projects/{project}/keys/{key_id}": "key_id",
    "DELETE /v1/projects/{project}": "project",
}
# Some filters let nothing through, and then each example waits for a heartbeat.
STREAMS = ("GET /v1/events", "GET /v1/live-runs", "GET /v1/runs/{run_id}/events")
WHAT_EVERY_KEY_MUST_SEE = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unavailable_says_when_to_retry",
    "the_scope_decides",
)
"""Checks that hold for a key without the scope too; the others take a refusal for a defect."""


@dataclass(frozen=True)
class Asking:
    """Who asks."""

    token: str
    scopes: Collection[Scope]
    key_id: str = ""


@dataclass(frozen=True)
class Answers:
    """What was answered, by operation; a request by another method than its operation's is an operation of its own."""

    statuses: dict[str, set[int]]
    said: str

    def without(self, *wanted: int) -> list[str]:
        """Operations that were never answered like this: 2 is any 2xx."""
        return sorted(
            operation
            for operation, statuses in self.statuses.items()
            if not any(status in wanted or status // 100 in wanted for status in statuses)
        )


def fuzz(
    service: Service, asking: Asking, known: dict[str, list[str]], folder: Path, *options: str, checks: str = "all"
) -> Answers:
    """Run Schemathesis to its end, which must find nothing, and the service neither a defect nor a death of its own."""
    before = len(service.log.read_text())
    folder.mkdir(exist_ok=True)
    settings, record = folder / "schemathesis.toml", folder / "answers.jsonl"
    settings.write_text(to_settings(known))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "--no-color"]
    command += ["run", f"{service.http.base_url}/openapi.json", "--checks", checks, "--continue-on-failure"]
    # Instead of the first there is one that knows what stays on purpose. The other sends wrong keys, and an address
    # that sends many is shut out for a while; test_scopes.py asks every route with one.
    command += ["--exclude-checks", "use_after_free,ignored_auth"]
    command += ["--header", f"Authorization: Bearer {asking.token}", "--generation-database", "none", *options]
    environment = {"ASKING_SCOPES": " ".join(asking.scopes), "ASKING_KEY": asking.key_id, "ANSWERS": str(record)}
    environment["KEPT_RUN"] = known["run_id"][0]
    with something_going_on(service):
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=1700,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert service.get("/livez") == 200
    said = service.log.read_text()[before:]
    assert "a defect in" not in said
    assert "is started again" not in said
    statuses: dict[str, set[int]] = defaultdict(set)
    for line in record.read_text().splitlines():
        operation, status, _ = orjson.loads(line)
        statuses[operation].add(status)
    document = service.http.get("/openapi.json").json()
    operations = [f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item]
    return Answers({operation: statuses[operation] for operation in operations}, done.stdout)


@contextlib.contextmanager
def something_going_on(service: Service) -> Iterator[None]:
    """A step now and then from somebody else: without one an event stream tells nothing until its heartbeat."""
    over = threading.Event()

    def sending() -> None:
        for number in itertools.count():
            if over.wait(0.5):
                return
            service.http.post(f"/v1/runs/meanwhile-{number // 100}/steps", json={"n": number})

    thread = threading.Thread(target=sending)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def known_names(service: Service, tiny: TinyBundle, prefix: str, folder: Path) -> dict[str, list[str]]:
    """Names of things that are there, by the parameter that takes them: runs with an alert, webhooks, deliveries, and
    a second monitor, so that one can be active and the other not.

    `doomed_…`: others, for what ends them.
    """
    http = service.http
    twin = http.post("/v1/monitors", json={"path": str(write_twin(tiny.path, folder / "twin"))}).json()["monitor_id"]
    # An earlier seed may have registered as many as a project may have.
    for old in http.get("/v1/webhooks").json()["webhooks"]:
        http.delete(f"/v1/webhooks/{old['id']}")
    webhooks = [
        http.post("/v1/webhooks", json={"url": f"http://127.0.0.1:{free_port()}/"}).json()["id"] for _ in range(5)
    ]
    monitor = Monitor.read(tiny.path)
    raw_steps = next(run for run in tiny.corpus.runs if any(monitor.session().step(step).alert for step in run))
    runs = [f"{prefix}-{number}" for number in range(3)]
    for run in runs:
        http.post(f"/v1/runs/{run}/steps", json=raw_steps)
    path = f"/v1/webhooks/{webhooks[0]}/deliveries"
    service.until(lambda: len(http.get(path).json()["deliveries"]) >= len(runs), 30, "alerts on their way")
    keys = [http.post("/v1/keys", json={"kind": "read"}).json()["id"] for _ in range(3)]
    projects = [f"{prefix}-project-{number}" for number in range(12)]
    for project in projects:
        http.post("/v1/projects", json={"name": project})
    return {
        "run_id": runs[:1],
        "doomed_run_id": runs[1:],
        "alert_id": [one["id"] for one in http.get("/v1/alerts").json()["alerts"] if one["run_id"] == runs[0]],
        "webhook_id": webhooks[:1],
        "doomed_webhook_id": webhooks[1:],
        "delivery_id": [one["id"] for one in http.get(path).json()["deliveries"]],
        "monitor_id": ["active", twin, read_monitor_id(tiny.path)],
        "key_id": keys[:1],
        "doomed_key_id": keys[1:],
        "project": projects[:1],
        "doomed_project": projects[1:],
    }


def restore(service: Service, tiny: TinyBundle) -> None:
    """Set back what fuzzing has set for the project, as the tests that come later need it."""
    service.http.delete(f"/v1/monitors/{read_monitor_id(tiny.path)}/shadow")
    chosen = service.http.post(f"/v1/monitors/{read_monitor_id(tiny.path)}/activate")
    assert chosen.status_code == 200, chosen.text
    told = service.http.put("/v1/projects/default", json={"privacy": {}, "feedback": {}, "limits": {}})
    assert told.status_code == 200, told.text
    for key in service.http.get("/v1/keys").json()["keys"]:
        if key["state"] == "active":
            service.http.delete(f"/v1/keys/{key['id']}")


def operator() -> Asking:
    """The operator, who may everything."""
    return Asking(OPERATOR_KEY, ("ingest", "read", "admin", "operate"))


def to_settings(known: dict[str, list[str]]) -> str:
    """Settings of Schemathesis: half of all names in addresses are known ones, so that more than 404 is seen."""
    hooks = orjson.dumps(str(Path(__file__).with_name("schemathesis_hooks.py"))).decode()
    lines = [f"hooks = {hooks}", "max-stream-events = 1", "request-timeout = 30.0"]
    for name, values in known.items():
        lines += [f"[dictionaries.{name}]", f"values = {orjson.dumps(values).decode()}"]
    lines += ["[dictionaries.coding]", 'values = ["identity"]']
    lines += ["[parameters]", '"header.Content-Encoding" = {dictionary = "coding", probability = 0.9}']
    lines += [f'"path.{name}" = {{dictionary = "{name}", probability = 0.5}}' for name in known if "doomed" not in name]
    for operation in STREAMS:
        lines += ["[[operations]]", f'include-name = "{operation}"', "[operations.generation]", "max-examples = 3"]
    lines += ["[checks.not_a_server_error]", 'expected-statuses = ["2xx", "3xx", "4xx", "503"]']
    lines += ["[checks.positive_data_acceptance]", f"expected-statuses = {orjson.dumps(TAKEN).decode()}"]
    for operation, status in ALSO_EXPECTED.items():
        statuses = orjson.dumps([*TAKEN, status]).decode()
        lines += ["[[operations]]", f'include-name = "{operation}"']
        lines += ["[operations.checks.positive_data_acceptance]", f"expected-statuses = {statuses}"]
    for operation, name in ENDING.items():
        lines += ["[[operations]]", f'include-name = "{operation}"', "[operations.parameters]"]
        lines += [f'"path.{name}" = {{dictionary = "doomed_{name}", probability = 0.5}}']
    return "\n".join(lines) + "\n"
