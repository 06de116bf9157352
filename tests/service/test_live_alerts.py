"""Alerts of the whole service, in real processes over a real bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitors import Monitor
from service.core.evidence import to_json
from tests.service.test_live_service import running
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


def first_alert(monitor: Monitor, tiny: TinyBundle) -> tuple[list[Any], dict[str, Any]]:
    """The raw steps of a run up to its first alert, and that alert's evidence, in process."""
    for raw_steps in tiny.corpus.runs:
        session, before = monitor.session(), None
        for position, raw_step in enumerate(raw_steps):
            was = session.state
            verdict = session.step(raw_step)
            if verdict.alert is not None:
                return raw_steps[: position + 1], to_json(monitor.explain(was, raw_step, before))
            before = verdict.score
    pytest.fail("no run of the corpus alerts")


def test_a_live_alert_has_the_evidence_of_the_monitor_in_process(tiny: TinyBundle, tmp_path: Path) -> None:
    raw_steps, expected = first_alert(Monitor.read(tiny.path, device="cpu"), tiny)
    environment = {"FOREWARN_PUBLIC_URL": "https://forewarn.example.com/", "FOREWARN_SEVERITY_CRITICAL": "1"}
    with running(tmp_path, "--bundle", str(tiny.path), "--device", "cpu", environment=environment) as service:
        service.until_ready()
        service.http.post("/v1/runs/r/steps?wait=score&timeout_ms=10000", json=raw_steps)
        (alert,) = service.http.get("/v1/alerts?state=warning").json()["alerts"]
        answer = service.http.post(f"/v1/alerts/{alert['id']}/acknowledge", json={"by": "ann"})
        metrics = service.http.get("/metrics").text
    evidence = alert["evidence"]

    # Scored in another batch than here: the last digits of float32 may differ.
    assert evidence["score_before"] == pytest.approx(expected["score_before"], abs=1e-5)
    for name in ("fields", "ngrams"):
        assert [one["field"] for one in evidence[name]] == [one["field"] for one in expected[name]]
        found, wanted = ([one["effect"] for one in side[name]] for side in (evidence, expected))
        assert found == pytest.approx(wanted, abs=2e-4)
    assert {one["text"] for one in evidence["ngrams"]} == {one["text"] for one in expected["ngrams"]}
    assert (evidence["symbol"], evidence["state"]) == (expected["symbol"], None)
    assert alert["link"] == "https://forewarn.example.com/runs/r"
    assert alert["severity"] == ("warning" if alert["failure_probability"] >= 0.5 else "info")
    assert answer.json()["state"] == "acknowledged"
    labels = f'monitor="{alert["monitor_id"]}",severity="{alert["severity"]}"'
    assert f"forewarn_alerts_total{{{labels}}} 1.0" in metrics
