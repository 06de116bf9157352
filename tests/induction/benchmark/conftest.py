"""A plan on a small corpus, with fits that take no training."""

from __future__ import annotations

from pathlib import Path

import pytest

from induction.benchmark import fitting
from induction.benchmark.plan import Contender, Corpus, Plan
from monitors.adapter import write_spec
from tests.induction.benchmark_fits import Fits
from tests.tiny_bundle import tiny_spec, write_corpus


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    found = Fits()
    monkeypatch.setattr(fitting, "fit", found)
    return found


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "out" / "adapters").mkdir(parents=True)
    write_spec(tiny_spec(), tmp_path / "out" / "adapters" / "tiny.json")
    written = write_corpus(tmp_path, with_folds=True)
    return Plan([Corpus("tiny", written.raw, written.outcomes)], (Contender("default", "gru"),), ("new",), (13,))
