"""Small corpora as arrays, and runs made of random numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from induction.learning.corpus import FeaturedRun, featurise_runs
from induction.learning.vocabulary import fit_vocabulary
from monitors import Monitor
from monitors.adapter import compile_adapter
from monitors.features.featuriser import NgramFeaturiser
from tests.tiny_bundle import TinyBundle, TinyCorpus, labelled, shared_tiny_bundle, tiny_spec, write_corpus


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def monitor(tiny: TinyBundle) -> Monitor:
    return Monitor.read(tiny.path, device="cpu")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other make small batches slow, as training knows."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def featurise(corpus: TinyCorpus) -> tuple[list[FeaturedRun], int]:
    """Return a corpus as arrays, and how many n-grams they know."""
    adapter = compile_adapter(tiny_spec())
    vocabulary = fit_vocabulary(labelled(corpus).runs(), adapter)
    return list(featurise_runs(labelled(corpus).runs(), adapter, NgramFeaturiser(vocabulary))), vocabulary.n_rows


@pytest.fixture(scope="session")
def featured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[FeaturedRun], int]:
    """60 runs of 20 tasks as arrays, and how many n-grams they know."""
    return featurise(write_corpus(tmp_path_factory.mktemp("featured"), n_runs=60, n_tasks=20, seed=3))
