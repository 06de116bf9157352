"""Schemathesis over the whole /openapi.json: the service does what its document says, whatever it is sent.

Every check of Schemathesis, in all its phases, sequences of operations included; no 5xx but 503 with Retry-After.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from monitors.monitor import Monitor
from tests.service.live import Service, free_port
from tests.tiny_bundle import TinyBundle

pytestmark = pytest.mark.slow

TAKEN = ["2xx", "404", "409", "429", "503"]
# What may be refused though its schema allows it, because OpenAPI has no words for the reason: what a place in a
# listing or a stream is, what a bundle is, what a line is, that ?envelope=true or a Content-Encoding asks for another
# body, where a webhook may lead.
ALSO_EXPECTED = {
    "GET /v1/alerts": "400",
    "GET /v1/events": "400",
    "GET /v1/runs/{run_id}/events": "400",
    "GET /v1/runs": "400",
    "POST /v1/monitors": "422",
    "POST /v1/runs/{run_id}/steps": "400",
    "POST /v1/steps": "400",
    "POST /v1/webhooks": "422",
}


@pytest.mark.parametrize(
    ("seed", "examples"),
    [
        pytest.param(1, 20, id="20 examples"),
        *(pytest.param(seed, 400, marks=pytest.mark.soak, id=f"400 examples, seed {seed}") for seed in (2, 3)),
    ],
)
@pytest.mark.timeout(1800)
def test_the_service_does_what_its_openapi_document_says(
    besieged: Service, tiny: TinyBundle, tmp_path: Path, seed: int, examples: int
) -> None:
    before = besieged.log.read_text()
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(to_settings(known_names(besieged, tiny, f"known-{seed}")))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "--no-color"]
    command += ["run", f"{besieged.http.base_url}/openapi.json", "--checks", "all", "--continue-on-failure"]
    command += ["--seed", str(seed), "--max-examples", str(examples), "--generation-database", "none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1700, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert besieged.get("/livez") == 200
    said = besieged.log.read_text()[len(before) :]
    assert "a defect in" not in said
    assert "is started again" not in said


def known_names(service: Service, tiny: TinyBundle, run_id: str) -> dict[str, list[str]]:
    """Names of things that are there, by the parameter that takes them: a run with an alert, webhooks, a delivery."""
    # An earlier seed may have registered as many as a project may have.
    for old in service.http.get("/v1/webhooks").json()["webhooks"]:
        service.http.delete(f"/v1/webhooks/{old['id']}")
    webhooks = [
        service.http.post("/v1/webhooks", json={"url": f"http://127.0.0.1:{free_port()}/"}).json()["id"]
        for _ in range(4)
    ]
    monitor = Monitor.read(tiny.path)
    raw_steps = next(run for run in tiny.corpus.runs if any(monitor.session().step(step).alert for step in run))
    service.http.post(f"/v1/runs/{run_id}/steps", json=raw_steps)
    path = f"/v1/webhooks/{webhooks[0]}/deliveries"
    service.until(lambda: bool(service.http.get(path).json()["deliveries"]), 30, "an alert on its way")
    deliveries = [one["id"] for one in service.http.get(path).json()["deliveries"]]
    return {"run_id": [run_id], "webhook_id": webhooks, "delivery_id": deliveries, "monitor_id": ["active"]}


def to_settings(known: dict[str, list[str]]) -> str:
    """Settings of Schemathesis: half of all names in addresses are known ones, so that more than 404 is seen."""
    hooks = orjson.dumps(str(Path(__file__).with_name("schemathesis_hooks.py"))).decode()
    lines = [f"hooks = {hooks}", "max-stream-events = 1", "request-timeout = 30.0"]
    for name, values in known.items():
        lines += [f"[dictionaries.{name}]", f"values = {orjson.dumps(values).decode()}"]
    lines += ["[dictionaries.coding]", 'values = ["identity"]']
    lines += ["[parameters]", '"header.Content-Encoding" = {dictionary = "coding", probability = 0.9}']
    lines += [f'"path.{name}" = {{dictionary = "{name}", probability = 0.5}}' for name in known]
    lines += ["[checks.not_a_server_error]", 'expected-statuses = ["2xx", "3xx", "4xx", "503"]']
    lines += ["[checks.positive_data_acceptance]", f"expected-statuses = {orjson.dumps(TAKEN).decode()}"]
    for operation, status in ALSO_EXPECTED.items():
        statuses = orjson.dumps([*TAKEN, status]).decode()
        lines += ["[[operations]]", f'include-name = "{operation}"']
        lines += ["[operations.checks.positive_data_acceptance]", f"expected-statuses = {statuses}"]
    return "\n".join(lines) + "\n"
