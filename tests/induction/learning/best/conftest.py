"""A small corpus read as `best` reads it, and the preset's bundle of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from induction.learning.best.steps import Steps, count_runs, to_steps
from induction.learning.building import BundleSettings, build_bundle
from induction.learning.presets.best import BestRecipe
from induction.learning.training import TrainingSettings
from monitors import Monitor
from monitors.bundle import Manifest
from tests.tiny_bundle import Silent, TinyCorpus, labelled, write_corpus

FEW_TREES = BestRecipe(n_trees=20)
"""Enough to teach a small corpus, in seconds."""


@dataclass(frozen=True, slots=True)
class Built:
    """A bundle of the preset, and what it was made of."""

    monitor: Monitor
    manifest: Manifest
    corpus: TinyCorpus


@pytest.fixture(scope="session")
def chats(tmp_path_factory: pytest.TempPathFactory) -> TinyCorpus:
    return write_corpus(tmp_path_factory.mktemp("chats"), n_runs=120, n_tasks=40, seed=11, with_folds=True)


@pytest.fixture(scope="session")
def steps(chats: TinyCorpus) -> Steps:
    return to_steps(count_runs(labelled(chats), lambda _, fold: fold > 1))


@pytest.fixture(scope="session")
def built(chats: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("best") / "bundle"
    settings = BundleSettings(TrainingSettings(seed=13), FEW_TREES, alpha=0.25, exclude_fold=0)
    manifest = build_bundle(labelled(chats), settings, folder, Silent())
    return Built(Monitor.read(folder, device="cpu"), manifest, chats)
