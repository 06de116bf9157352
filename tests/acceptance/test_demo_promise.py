"""The demo's promise over many seeds: offline, since live scores are the same (see `test_same_scores.py`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forewarn.demo.learning import ALPHA, HELD_OUT_FOLD, DemoFiles, induce, make_runs, train
from induction.evaluation.evaluating import evaluate
from induction.learning.labelled import LabelledCorpus
from induction.learning.progress import NO_PROGRESS
from monitors.adapter import read_spec
from monitors.monitor import Monitor

SEEDS = range(20)


@pytest.mark.soak
@pytest.mark.timeout(5400)
def test_over_twenty_seeds_false_alarms_keep_the_promise_and_most_failures_are_caught(tmp_path: Path) -> None:
    false_alarms, recalls = [], []
    for seed in SEEDS:
        figures = _run(DemoFiles(tmp_path / str(seed), "chat"), seed)
        false_alarms.append(figures["far@0.10"])
        recalls.append(figures["recall@0.10"])
        print(f"seed {seed}: false alarms {false_alarms[-1]:.3f}, caught {recalls[-1]:.3f}", flush=True)
    print(
        f"mean false alarms {np.mean(false_alarms):.4f} (sd {np.std(false_alarms):.4f}), caught {np.mean(recalls):.4f}"
    )
    assert np.mean(false_alarms) <= ALPHA + 0.01
    assert np.mean(recalls) > 0.5


def _run(files: DemoFiles, seed: int) -> dict[str, float]:
    make_runs(files, 1000, seed)
    train(files, induce(files), seed, NO_PROGRESS)
    corpus = LabelledCorpus(files.raw, read_spec(files.adapter), files.outcomes)
    return evaluate(Monitor.read(files.bundle), corpus, HELD_OUT_FOLD).figures
