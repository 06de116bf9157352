"""`forewarn evaluate --save`: the evaluation joins the bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from induction.evaluation.evaluating import Evaluation
from induction.evaluation.keeping import keep_evaluation
from monitors import Monitor
from monitors.bundle import read_manifest, read_monitor_id
from monitors.bundle.folder import EVALUATION, RELIABILITY, read_part
from monitors.evaluation_record import parse_evaluation
from monitors.reliability import parse_reliability
from tests.tiny_bundle import TinyBundle


@pytest.fixture
def copy(tiny: TinyBundle, tmp_path: Path) -> Path:
    return shutil.copytree(tiny.path, tmp_path / "bundle")


def test_an_evaluation_joins_the_bundle_and_changes_neither_id_nor_scores(
    copy: Path, monitor: Monitor, evaluation: Evaluation
) -> None:
    keep_evaluation(copy, evaluation, monitor.manifest.horizon, "traces.tar.gz", 0, known_tasks=False)

    kept = parse_evaluation(read_part(copy, read_manifest(copy), EVALUATION) or b"", EVALUATION)
    assert Monitor.read(copy, device="cpu").monitor_id == read_monitor_id(copy) == monitor.monitor_id
    assert kept.figures["auprc_h3"] == evaluation.figures["auprc_h3"]
    assert (kept.corpus, kept.fold, kept.reliability.runs) == ("traces.tar.gz", 0, len(evaluation.runs))


def test_training_leaves_the_reliability_of_its_calibration_runs_in_the_bundle(copy: Path) -> None:
    manifest = read_manifest(copy)
    reliability = parse_reliability(read_part(copy, manifest, RELIABILITY) or b"", RELIABILITY)

    assert reliability.runs == manifest.calibration.runs
    assert reliability.tasks == manifest.calibration.tasks
