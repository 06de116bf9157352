"""Drift injected into a replayed stream: runs of a real bundle's monitor, in process, held against its calibration."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from monitors import Monitor
from monitors.adapter.coverage import filled_bits
from monitors.stepview import JsonValue
from service.core.quality.counts import Kind, count
from service.core.quality.finished import FinishedRun, to_finished
from service.core.quality.keeper import take
from service.core.quality.watching import Watched
from service.records import COUNTED, RunRecord, RunRef, RunSummary, ScoreRecord
from tests.tiny_bundle import TinyBundle, build_tiny_bundle, chat_run, write_corpus

LEVEL = 0.01
pytestmark = pytest.mark.slow
Change = Callable[[list[JsonValue]], list[JsonValue]]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    folder = tmp_path_factory.mktemp("drift")
    corpus = write_corpus(folder / "corpus", n_runs=300, n_tasks=150, seed=3)
    return build_tiny_bundle(folder / "bundle", corpus, epochs=4, alpha=0.1)


@pytest.fixture(scope="module")
def monitor(bundle: TinyBundle) -> Monitor:
    return Monitor.read(bundle.path, device="cpu")


def replay(monitor: Monitor, raw_steps: list[JsonValue], *, success: bool) -> FinishedRun:
    """The run as the service would keep it once it has ended with this outcome."""
    session, records, alerts = monitor.session(), b"", 0
    for raw_step in raw_steps:
        verdict = session.step(raw_step)
        alerts += verdict.alert is not None
        record = ScoreRecord(
            verdict.turn,
            verdict.risk,
            verdict.failure_probability,
            verdict.score,
            verdict.symbol,
            0,
            known=verdict.known,
            new_tool=verdict.new_tool,
            filled=COUNTED | filled_bits(verdict.view),
        )
        records += record.to_bytes()
    summary = RunSummary(steps=len(raw_steps), alerts=alerts, max_score=0.0)
    ref = RunRef("default", "r")
    known = RunRecord(ref, 0, 0, len(raw_steps), 1, success, monitor_id=monitor.monitor_id, summary=summary)
    return to_finished(known, records)


def stream(monitor: Monitor, state: Watched, runs: list[FinishedRun], seen: dict[Kind, int]) -> None:
    """Look at runs as they end, ten at a time."""
    for at in range(0, len(runs), 10):
        batch = runs[at : at + 10]
        for kind, more in count(run.kind for run in batch).items():
            seen[kind] = seen.get(kind, 0) + more
        take(state, monitor.manifest, seen, batch, LEVEL, at)


def usual(rng: random.Random) -> tuple[list[JsonValue], bool]:
    success = rng.random() < 0.55
    return chat_run(rng, fails=not success), success


def renamed(raw_steps: list[JsonValue]) -> list[JsonValue]:
    """The same run after somebody renamed a tool."""
    return list(orjson.loads(orjson.dumps(raw_steps).replace(b'"get_order"', b'"fetch_order_v2"')))


def in_another_shape(raw_steps: list[JsonValue]) -> list[JsonValue]:
    """The same run by a model whose framework calls tools otherwise."""
    changed: list[JsonValue] = []
    for step in raw_steps:
        assert isinstance(step, dict)
        calls: Any = step.get("tool_calls")
        changed.append({"role": "model", "parts": calls} if calls else step)
    return changed


def test_a_stream_like_the_calibration_runs_raises_no_flag(monitor: Monitor) -> None:
    rng, state = random.Random(1), Watched()
    runs = [replay(monitor, steps, success=success) for steps, success in (usual(rng) for _ in range(200))]
    stream(monitor, state, runs, {})
    assert state.flags == {}
    assert state.ended.runs == 200


@pytest.mark.parametrize(("change", "about"), [(renamed, "new_tool+"), (in_another_shape, "tool-")])
def test_a_tool_renamed_and_another_shape_of_calls_are_flagged_by_coverage(
    monitor: Monitor, change: Change, about: str
) -> None:
    rng, state = random.Random(2), Watched()
    seen: dict[Kind, int] = {}
    before = [replay(monitor, steps, success=success) for steps, success in (usual(rng) for _ in range(100))]
    stream(monitor, state, before, seen)
    assert "coverage" not in state.flags
    after = [replay(monitor, change(steps), success=success) for steps, success in (usual(rng) for _ in range(100))]
    stream(monitor, state, after, seen)
    assert state.flags["coverage"].about == about
    assert state.flags["coverage"].runs <= 200


def test_another_model_whose_good_runs_look_like_failures_breaks_the_promise(monitor: Monitor) -> None:
    rng, state = random.Random(3), Watched()
    seen: dict[Kind, int] = {}
    before = [replay(monitor, chat_run(rng, fails=False), success=True) for _ in range(60)]
    stream(monitor, state, before, seen)
    assert "promise" not in state.flags
    other = [replay(monitor, chat_run(rng, fails=True), success=True) for _ in range(100)]
    stream(monitor, state, other, seen)
    assert state.flags["promise"].runs <= 160
