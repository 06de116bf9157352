"""A bundle, its corpus with folds, and the audit of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from induction.automaton.extracting import extract_automaton
from monitors import Monitor
from monitors.automaton_record import Automaton
from tests.tiny_bundle import TinyBundle, build_tiny_bundle, labelled, write_corpus


@pytest.fixture(scope="session")
def folded(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    """160 runs of 40 tasks in five folds, and a bundle that has seen nothing of fold 0."""
    folder: Path = tmp_path_factory.mktemp("folded")
    corpus = write_corpus(folder, n_runs=160, with_folds=True)
    return build_tiny_bundle(folder / "bundle", corpus, epochs=4, exclude_fold=0)


@pytest.fixture(scope="session")
def folded_monitor(folded: TinyBundle) -> Monitor:
    return Monitor.read(folded.path, device="cpu")


@pytest.fixture(scope="session")
def automaton(folded: TinyBundle, folded_monitor: Monitor) -> Automaton:
    return extract_automaton(folded_monitor, labelled(folded.corpus), minimum_support=10)
