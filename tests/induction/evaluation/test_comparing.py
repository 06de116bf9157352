"""Two bundles are compared on runs that neither has seen, and the verdict says no more than the runs do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from induction.errors import NoRunsError
from induction.evaluation.comparing import ComparedFigure, Contender, compare, judge
from induction.learning.labelled import LabelledCorpus
from monitors.bundle.seen import SEEN
from monitors.monitor import Monitor
from tests.tiny_bundle import TinyBundle, labelled, tiny_spec, write_corpus


def contender(bundle: Path, corpus: LabelledCorpus) -> Contender:
    return Contender(bundle, Monitor.read(bundle, device="cpu"), corpus)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> LabelledCorpus:
    """Runs of the same make as the bundle's, none of which it was made of; their tasks have the same names."""
    corpus = write_corpus(tmp_path_factory.mktemp("held-out"), seed=7)
    return LabelledCorpus(corpus.raw, tiny_spec(), corpus.outcomes)


def test_a_bundle_is_neither_better_nor_worse_than_itself(tiny: TinyBundle, held_out: LabelledCorpus) -> None:
    one = contender(tiny.path, held_out)
    found = compare(one, one, allow_known_tasks=True)
    assert found.verdict == "cannot be told"
    assert (found.runs, found.left_out.seen, found.left_out.unmatched) == (80, 0, 0)
    assert {figure.difference for figure in found.figures} == {0.0}
    assert {"auprc_h3_answered", "auroc_fail_3", "recall", "far", "ece_h3"} <= {one.name for one in found.figures}


def test_runs_that_either_was_made_of_are_left_out_whatever_they_are_called(tiny: TinyBundle) -> None:
    one = contender(tiny.path, labelled(tiny.corpus))
    with pytest.raises(NoRunsError, match="80 were seen by a bundle"):
        compare(one, one, allow_known_tasks=True)


def test_runs_of_known_tasks_are_left_out_unless_allowed(tiny: TinyBundle, held_out: LabelledCorpus) -> None:
    one = contender(tiny.path, held_out)
    with pytest.raises(NoRunsError, match="80 are of tasks that one knows"):
        compare(one, one)


def test_a_bundle_that_does_not_say_what_it_was_made_of_is_warned_about(
    tiny: TinyBundle, held_out: LabelledCorpus, tmp_path: Path
) -> None:
    old = shutil.copytree(tiny.path, tmp_path / "old")
    one, other = contender(tiny.path, held_out), contender(old, held_out)
    (old / SEEN).unlink()
    (warning,) = compare(one, other, allow_known_tasks=True).warnings
    assert warning.startswith(f"B ({old}) was made before bundles named their runs")


def figure(name: str, low: float, high: float) -> ComparedFigure:
    return ComparedFigure(name, 0.5, 0.5 + (low + high) / 2, (low + high) / 2, low, high, 0.98)


@pytest.mark.parametrize(
    ("intervals", "broken", "verdict"),
    [
        ({"auprc_h3_answered": (0.01, 0.2)}, (False, False), "better"),
        ({"auprc_h3_answered": (-0.2, -0.01)}, (False, False), "worse"),
        ({"auprc_h3_answered": (-0.1, 0.2)}, (False, False), "cannot be told"),
        ({"auprc_h3_answered": (0.01, 0.2), "auroc_fail_5": (-0.2, -0.01)}, (False, False), "cannot be told"),
        ({"auprc_h3_answered": (0.01, 0.2)}, (False, True), "worse"),
        ({"auprc_h3_answered": (-0.1, 0.2)}, (True, False), "better"),
        ({"auprc_h3_answered": (-0.2, -0.1)}, (True, False), "worse"),
        ({"ece_h3": (0.1, 0.2), "lead_turns": (1.0, 2.0)}, (False, False), "cannot be told"),
    ],
)
def test_the_verdict_hangs_on_what_was_named_before(
    intervals: dict[str, tuple[float, float]], broken: tuple[bool, bool], verdict: str
) -> None:
    assert judge([figure(name, *interval) for name, interval in intervals.items()], broken)[0] == verdict
