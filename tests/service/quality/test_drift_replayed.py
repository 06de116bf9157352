"""Drift injected into a replayed stream: help-desk agents under a monitor of the default preset, in process, held
against its calibration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from induction.adapters.inducing import induce_adapter
from induction.helpdesk import HelpdeskRun, simulate, write_corpus
from induction.helpdesk.chat import to_chat
from induction.learning.building import BundleSettings, build_bundle
from induction.learning.labelled import LabelledCorpus
from induction.learning.progress import NO_PROGRESS
from induction.learning.training import TrainingSettings
from monitors import Monitor
from monitors.adapter.coverage import filled_bits
from monitors.stepview import JsonValue
from service.core.quality.counts import Kind, count, total
from service.core.quality.finished import FinishedRun, to_finished
from service.core.quality.keeper import take
from service.core.quality.watching import Watched
from service.records import COUNTED, RunRecord, RunRef, RunSummary, ScoreRecord

LEVEL = 0.01
ANOTHER = "weak"
"""The agent whose runs the bundle has never seen: it errs more, and mends what it can."""
FRESH_SEED, BEFORE = 11, 200
pytestmark = pytest.mark.slow
Change = Callable[[list[JsonValue]], list[JsonValue]]


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Monitor:
    """Learned from runs of two of the help desk's three agents."""
    folder = tmp_path_factory.mktemp("drift")
    write_corpus(folder / "corpus", runs=500, seed=1, formats=("chat",))
    raw, outcomes = folder / "corpus" / "chat" / "raw", folder / "corpus" / "chat" / "runs.jsonl"
    rows = [row for row in outcomes.read_text().splitlines(keepends=True) if json.loads(row)["agent"] != ANOTHER]
    outcomes.write_text("".join(rows))
    return Monitor.read(_learn(raw, outcomes, folder / "bundle"), device="cpu")


def _learn(raw: Path, outcomes: Path, bundle: Path) -> Path:
    corpus = LabelledCorpus(raw, induce_adapter(raw, outcomes).proposal.spec, outcomes)
    build_bundle(corpus, BundleSettings(TrainingSettings(max_epochs=8), alpha=0.1), bundle, NO_PROGRESS)
    return bundle


@pytest.fixture(scope="module")
def fresh() -> list[HelpdeskRun]:
    """Runs of all three agents at tasks that the bundle has never seen."""
    return list(simulate(1200, FRESH_SEED))


@pytest.fixture(scope="module")
def usual(monitor: Monitor, fresh: list[HelpdeskRun]) -> list[FinishedRun]:
    """Replayed runs of the agents that the bundle learned from."""
    return [replay(monitor, run) for run in fresh if run.agent != ANOTHER]


def as_it_is(raw_steps: list[JsonValue]) -> list[JsonValue]:
    return raw_steps


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


def replay(monitor: Monitor, run: HelpdeskRun, change: Change = as_it_is) -> FinishedRun:
    """The run as the service keeps it once it has ended and its outcome was said."""
    session, records, alerts = monitor.session(), b"", 0
    raw_steps = change(to_chat(run)["messages"])
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
    ref = RunRef("default", run.run_id)
    known = RunRecord(ref, 0, 0, len(raw_steps), 1, run.success, monitor_id=monitor.monitor_id, summary=summary)
    return to_finished(known, records)


class Stream:
    """Runs as they end, looked at ten at a time as the service looks at them."""

    def __init__(self, monitor: Monitor) -> None:
        self.state = Watched()
        self._manifest = monitor.manifest
        self._seen: dict[Kind, int] = {}

    def add(self, runs: list[FinishedRun]) -> None:
        """Look at more runs."""
        for at in range(0, len(runs), 10):
            for kind, more in count(run.kind for run in runs[at : at + 10]).items():
                self._seen[kind] = self._seen.get(kind, 0) + more
            take(self.state, self._manifest, self._seen, runs[at : at + 10], LEVEL, at)

    @property
    def successes(self) -> int:
        """How many runs succeeded so far."""
        return total(self._seen, success=True)


@pytest.fixture
def settled(monitor: Monitor, usual: list[FinishedRun]) -> Stream:
    """A stream that has gone on as usual for a while."""
    stream = Stream(monitor)
    stream.add(usual[:BEFORE])
    assert stream.state.flags == {}
    return stream


def test_fresh_runs_of_the_same_agents_raise_no_flag(monitor: Monitor, usual: list[FinishedRun]) -> None:
    stream = Stream(monitor)
    stream.add(usual)
    assert stream.state.flags == {}
    assert stream.state.ended.runs == len(usual) > 500


def test_an_agent_that_the_bundle_never_saw_shows_in_its_symbols_and_breaks_the_promise(
    monitor: Monitor, fresh: list[HelpdeskRun], settled: Stream
) -> None:
    successes = settled.successes
    settled.add([replay(monitor, run) for run in fresh if run.agent == ANOTHER])
    flags = settled.state.flags
    assert flags["symbols"].runs <= BEFORE + 90, "it does other things: seen after 30 of its runs"
    assert flags["promise"].runs <= successes + 80, "its good runs alert more: seen after 53 of them"


@pytest.mark.parametrize(("change", "about"), [(renamed, "new_tool+"), (in_another_shape, "tool-")])
def test_a_tool_renamed_and_another_shape_of_calls_are_flagged_by_coverage(
    monitor: Monitor, fresh: list[HelpdeskRun], settled: Stream, change: Change, about: str
) -> None:
    runs = [run for run in fresh if run.agent != ANOTHER][BEFORE : BEFORE + 60]
    settled.add([replay(monitor, run, change) for run in runs])
    assert settled.state.flags["coverage"].about == about
    assert settled.state.flags["coverage"].runs <= BEFORE + 30, "seen after 10 runs"
