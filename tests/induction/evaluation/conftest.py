"""A bundle, and a corpus of other tasks to evaluate it on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from induction.evaluation.evaluating import Evaluation, evaluate
from induction.learning.labelled import LabelledCorpus
from monitors import Monitor
from tests.tiny_bundle import TinyBundle, labelled, shared_tiny_bundle, write_corpus


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def monitor(tiny: TinyBundle) -> Monitor:
    return Monitor.read(tiny.path, device="cpu")


@pytest.fixture(scope="session")
def new_tasks(tmp_path_factory: pytest.TempPathFactory) -> LabelledCorpus:
    """80 runs of 40 tasks that the bundle has never seen, with folds."""
    folder: Path = tmp_path_factory.mktemp("new")
    corpus = write_corpus(folder, seed=77, with_folds=True)
    rows = [orjson.loads(line) for line in corpus.outcomes.read_bytes().splitlines()]
    renamed = [orjson.dumps({**row, "task": f"new-{row['task']}"}) for row in rows]
    corpus.outcomes.write_bytes(b"\n".join(renamed))
    return replace(labelled(corpus), outcomes=corpus.outcomes)


@pytest.fixture(scope="session")
def evaluation(monitor: Monitor, new_tasks: LabelledCorpus) -> Evaluation:
    return evaluate(monitor, new_tasks, None)
