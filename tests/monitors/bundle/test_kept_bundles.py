"""Bundles that earlier code made stay here, with the scores that it gave, and go on giving them."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from monitors import Monitor
from monitors.scorers.protocol import PADDED_INPUT_NAMES, to_inputs

KEPT = Path(__file__).parent / "kept"
BUNDLES = sorted(path.name for path in KEPT.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_of_earlier_code_scores_as_it_did(name: str) -> None:
    monitor = Monitor.read(KEPT / name, device="cpu")

    for run in orjson.loads((KEPT / f"{name}.json").read_bytes()):
        session = monitor.session()
        found = [session.step(raw_step) for raw_step in run["raw_steps"]]
        scores = [[one.risk, one.failure_probability, one.score] for one in found]
        assert scores == [pytest.approx(expected, abs=1e-6) for expected in run["scores"]]


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_of_earlier_code_scores_runs_in_batches_as_alone(name: str) -> None:
    monitor = Monitor.read(KEPT / name, device="cpu")
    runs = [run["raw_steps"] for run in orjson.loads((KEPT / f"{name}.json").read_bytes())]
    first = [monitor.session().step(raw_steps[1]).score for raw_steps in runs]

    together = monitor.advance([monitor.initial_state() for _ in runs], [raw_steps[1] for raw_steps in runs])

    assert [verdict.score for _, verdict in together] == pytest.approx(first, abs=1e-6)


def test_the_graph_with_padded_rows_gets_no_chunks(monitor: Monitor) -> None:
    views = [monitor.adapter.read({"role": "user", "content": text}).view for text in ("order", "order " * 9)]
    features, _ = monitor.featuriser.step_batch(views, [monitor.featuriser.initial_memory()] * 2)

    inputs = to_inputs(features, monitor.initial_state().state, PADDED_INPUT_NAMES)

    assert set(inputs) == set(PADDED_INPUT_NAMES)
    assert inputs["rows"].shape == inputs["weights"].shape
    assert len(inputs["rows"]) == 2
