"""From the raw archive to a live service by the commands as users type them; the same scores in all three."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from forewarn.demo.serving import run_service
from induction.learning.labelled import LabelledCorpus
from monitors.adapter import read_spec
from monitors.monitor import Monitor

TOLERANCE = 1e-5
LEFT_OUT_FOLD = "0"


@dataclass(frozen=True)
class Made:
    """What the commands made of one corpus."""

    raw: Path
    outcomes: Path
    bundle: Path
    scores: dict[str, dict[str, Any]]
    folder: Path


def forewarn(*arguments: str | Path) -> str:
    """Run the command as a user would; its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "forewarn", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module", params=["tau2-airline", "webshop"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """induce → train → evaluate on a real corpus, from its raw archive."""
    home = os.environ.get("FOREWARN_REALDATA")
    if not home:
        pytest.skip("FOREWARN_REALDATA names no real agent runs")
    corpus = Path(home) / "data" / str(request.param)
    raw, outcomes = corpus / "raw.tar.xz", corpus / "runs.jsonl"
    folder = tmp_path_factory.mktemp(str(request.param))
    adapter, bundle, report = folder / "adapter.json", folder / "bundle", folder / "report"
    forewarn("induce", raw, "--out", adapter, "--outcomes", outcomes)
    forewarn(
        "train", raw, "--adapter", adapter, "--outcomes", outcomes, "--out", bundle, "--exclude-fold", LEFT_OUT_FOLD
    )
    forewarn("evaluate", bundle, raw, "--outcomes", outcomes, "--fold", LEFT_OUT_FOLD, "--out", report)
    lines = (report / "scores.jsonl").read_bytes().splitlines()
    return Made(raw, outcomes, bundle, {line["run"]: line for line in map(orjson.loads, lines)}, folder)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_monitor_in_process_gives_the_scores_of_the_evaluation(made: Made) -> None:
    monitor = Monitor.read(made.bundle)
    corpus = LabelledCorpus(made.raw, read_spec(made.bundle / "adapter.json"), made.outcomes)
    compared = 0
    for run in corpus.runs(lambda _, fold: fold == int(LEFT_OUT_FOLD)):
        session = monitor.session()
        verdicts = [session.step(event) for event in run.events]
        if not verdicts:
            continue
        expected = made.scores[run.run]
        np.testing.assert_allclose([one.score for one in verdicts], expected["score"], atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose([one.risk for one in verdicts], expected["risk"], atol=TOLERANCE, rtol=0)
        compared += 1
    assert compared == len(made.scores)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.needs("redis-server")
@pytest.mark.timeout(600)
def test_a_live_replay_gives_the_scores_of_the_evaluation_step_by_step(made: Made) -> None:
    arguments = ("--outcomes", made.outcomes, "--fold", LEFT_OUT_FOLD, "--json")
    with run_service(made.bundle, made.folder, None) as url:
        table = orjson.loads(forewarn("replay", made.raw, "--url", url, *arguments))
        live = {one["run"]: _read_scores(url, one["run_id"], one["steps"]) for one in table["played"]}
    assert live.keys() == made.scores.keys()
    for run, steps in live.items():
        expected = made.scores[run]
        assert [step["position"] for step in steps] == list(range(len(expected["score"])))
        assert [step["turn"] for step in steps] == expected["turns"]
        for name in ("score", "risk", "failure_probability"):
            np.testing.assert_allclose([step[name] for step in steps], expected[name], atol=TOLERANCE, rtol=0)


def _read_scores(url: str, run_id: str, count: int) -> list[dict[str, Any]]:
    record = httpx.get(f"{url}/v1/runs/{run_id}", params={"limit": count}).json()
    steps: list[dict[str, Any]] = record["scores"]
    return steps
