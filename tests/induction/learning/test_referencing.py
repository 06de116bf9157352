"""What live runs are held against, as training notes it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from induction.learning.referencing import NotingMonitor
from monitors import Monitor
from monitors.bundle.folder import MANIFEST
from monitors.bundle.manifest import Manifest
from monitors.stepview import JsonValue
from tests.tiny_bundle import shared_tiny_bundle


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Monitor:
    return Monitor.read(shared_tiny_bundle(tmp_path_factory.getbasetemp()).path, device="cpu")


def calls(*tools: str) -> list[JsonValue]:
    """A run that calls these tools, a step each."""
    return [
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": tool, "arguments": "{}"}}]}
        for tool in tools
    ]


def noted(monitor: Monitor, runs: list[list[JsonValue]]) -> NotingMonitor:
    noting = NotingMonitor(monitor)
    for run in runs:
        state = noting.initial_state()
        for raw_step in run:
            ((state, _),) = noting.advance([state], [raw_step])
    return noting


def test_a_tool_that_no_other_calibration_run_calls_is_new_to_its_run(monitor: Monitor) -> None:
    runs = [calls("find", "refund")] * 10 + [calls("find", "own")]
    reference = noted(monitor, runs).to_reference(16)
    assert reference is not None
    assert reference.tools == ["find", "own", "refund"]
    assert reference.shares["new_tool"].mean == pytest.approx(0.5 / 11)
    assert (reference.runs, reference.beyond) == (11, 1)
    assert reference.shares["tool"].mean == 1.0


def test_too_few_runs_have_no_reference(monitor: Monitor) -> None:
    assert noted(monitor, [calls("find")] * 8).to_reference(16) is None


def test_a_bundle_knows_its_tools_and_says_when_a_step_calls_another(monitor: Monitor) -> None:
    reference = monitor.manifest.reference
    assert reference is not None
    assert reference.tools
    session = monitor.session()
    verdicts = [session.step(step) for step in calls(reference.tools[0], "never_seen")]
    assert [verdict.new_tool for verdict in verdicts] == [False, True]
    assert "tools" not in monitor.manifest.summary()["reference"]


def test_a_manifest_from_before_reads_as_having_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    path: Path = shared_tiny_bundle(tmp_path_factory.getbasetemp()).path
    raw_manifest = orjson.loads((path / MANIFEST).read_bytes())
    del raw_manifest["reference"]
    assert Manifest.model_validate(raw_manifest).reference is None
