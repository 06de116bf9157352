"""From a corpus to a bundle: nothing of an excluded fold, calibration apart from training, whole or not at all."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from induction.errors import ParityError, TooFewRunsError
from induction.learning import building
from induction.learning.building import BundleSettings, build_bundle
from induction.learning.offsets import learn_offsets
from induction.learning.scoring import score_runs
from induction.learning.split import Split
from induction.learning.training import TrainingSettings
from monitors import Monitor
from monitors.bundle.folder import ADAPTER, EXAMPLES, GRAPH, VOCABULARY
from monitors.bundle.manifest import digest_task
from monitors.conformal import conformal_threshold
from monitors.decision import to_statistic
from monitors.errors import BundleError
from tests.tiny_bundle import Silent, TinyBundle, TinyCorpus, build_tiny_bundle, labelled, write_corpus

TASKS = st.text(max_size=12)


@given(TASKS, st.integers(0, 4), st.none() | st.integers(0, 4))
def test_no_task_both_trains_and_calibrates(task: str, fold: int, excluded: int | None) -> None:
    split = Split(excluded)

    assert not (split.trains(task, fold) and split.calibrates(task, fold))


@given(TASKS, st.integers(0, 4), st.integers(0, 4))
def test_with_folds_the_next_one_calibrates_and_the_other_three_train(task: str, fold: int, excluded: int) -> None:
    split = Split(excluded)

    assert split.calibrates(task, fold) == (fold == (excluded + 1) % 5)
    assert split.trains(task, fold) == ((fold - excluded) % 5 in (2, 3, 4))


def test_without_folds_about_a_fifth_of_the_tasks_calibrates_and_every_other_trains() -> None:
    split = Split(None)
    tasks = [f"task-{number}" for number in range(2_000)]

    assert sum(split.calibrates(task, 0) for task in tasks) / 2_000 == pytest.approx(0.2, abs=0.03)
    assert all(split.calibrates(task, 0) != split.trains(task, 0) for task in tasks)


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    """A bundle made without fold 0 of a corpus that has all folds."""
    folder = tmp_path_factory.mktemp("folded")
    corpus = write_corpus(folder, n_runs=80, n_tasks=40, seed=2, with_folds=True)
    return build_tiny_bundle(folder / "bundle", corpus, epochs=2, exclude_fold=0)


def test_a_bundle_is_the_same_where_the_excluded_folds_files_do_not_exist(folded: TinyBundle, tmp_path: Path) -> None:
    raw = shutil.copytree(folded.corpus.raw, tmp_path / "raw")
    for task in range(0, 40, 5):
        (raw / f"task-{task:03d}.json").unlink()
    rows = [orjson.loads(line) for line in folded.corpus.outcomes.read_bytes().splitlines()]
    kept = [orjson.dumps(row) for row in rows if row["fold"] != 0]
    (tmp_path / "runs.jsonl").write_bytes(b"\n".join(kept))
    corpus = TinyCorpus(raw, tmp_path / "runs.jsonl", [], [])

    without = build_tiny_bundle(tmp_path / "bundle", corpus, epochs=2, exclude_fold=0)

    for name in (GRAPH, VOCABULARY, EXAMPLES, ADAPTER):
        assert (without.path / name).read_bytes() == (folded.path / name).read_bytes()
    one, other = (Monitor.read(bundle.path).manifest for bundle in (folded, without))
    moving = {"created": "", "cost": None}
    assert one.model_copy(update=moving) == other.model_copy(update=moving)
    assert 0 < len(kept) < len(rows)


def test_the_manifest_lists_the_tasks_of_training_and_calibration_alone(folded: TinyBundle) -> None:
    used = {run.task for run in labelled(folded.corpus).runs() if run.fold != 0}

    assert set(Monitor.read(folded.path).manifest.tasks) == {digest_task(task) for task in used}


def test_the_manifest_counts_what_it_was_made_of(folded: TinyBundle) -> None:
    manifest = Monitor.read(folded.path).manifest

    assert (manifest.training.runs, manifest.training.tasks, manifest.training.excluded_fold) == (48, 24, 0)
    assert (manifest.calibration.runs, manifest.calibration.tasks) == (16, 8)


def test_the_manifest_keeps_where_the_network_was_trained(folded: TinyBundle) -> None:
    assert Monitor.read(folded.path).manifest.training.device == "cpu"


def test_the_threshold_and_the_probabilities_are_those_of_the_calibration_fold_scored_as_served(
    folded: TinyBundle,
) -> None:
    monitor = Monitor.read(folded.path, device="cpu")
    runs = list(score_runs(monitor, labelled(folded.corpus).runs(lambda _, fold: fold == 1)))
    maxima = sorted(float(run.score.max()) for run in runs if run.success)

    assert monitor.manifest.calibration.success_maxima == pytest.approx(maxima, abs=1e-6)
    assert monitor.manifest.threshold == conformal_threshold(monitor.manifest.calibration.success_maxima, 0.25)
    assert monitor.manifest.release == pytest.approx(monitor.rule.threshold - 0.5)
    assert sum(run.score.max() > monitor.rule.threshold for run in runs if run.success) <= 0.25 * (len(maxima) + 1)


def test_the_examples_are_raw_steps_of_the_corpus(tiny: TinyBundle) -> None:
    seen = [event for run in tiny.corpus.runs for event in run]

    assert all(example in seen for example in Monitor.read(tiny.path).examples)


@pytest.mark.slow
def test_a_promise_that_the_runs_cannot_support_never_alerts_and_says_so(folded: TinyBundle, tmp_path: Path) -> None:
    bundle = build_tiny_bundle(tmp_path / "strict", folded.corpus, epochs=1, alpha=0.01, exclude_fold=0)

    manifest = Monitor.read(bundle.path).manifest

    assert (manifest.threshold, manifest.release, manifest.realised_range) == (None, None, (0.0, 0.0))
    assert manifest.finest_alpha > 0.01


def test_too_few_runs_leave_nothing_behind(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", n_runs=10, n_tasks=10)

    with pytest.raises(TooFewRunsError):
        build_bundle(labelled(corpus), BundleSettings(TrainingSettings(max_epochs=1)), tmp_path / "out", Silent())

    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_graph_that_is_not_the_network_leaves_nothing_behind(
    folded: TinyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = (folded.path / GRAPH).read_bytes()
    monkeypatch.setattr(building, "export_graph", lambda _: other)

    with pytest.raises(ParityError):
        build_tiny_bundle(tmp_path / "bundle", write_corpus(tmp_path / "corpus", seed=9), epochs=1)

    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_folder_of_somebody_elses_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    missing = TinyCorpus(tmp_path / "no corpus", tmp_path / "no outcomes", [], [])

    with pytest.raises(BundleError, match="is no bundle"):
        build_bundle(labelled(missing), BundleSettings(TrainingSettings()), tmp_path / "out", Silent())


@pytest.mark.parametrize(
    "event", [{"content": "x" * 5_000}, {"content": "\ud800"}, {"content": 2**80}, "y" * 5_000, "\ud800"]
)
def test_any_raw_step_can_be_shown_as_an_example(event: object) -> None:
    example = building._shorten(event)  # type: ignore[arg-type]

    assert len(orjson.dumps(example)) < 2_200


def test_a_threshold_by_turn_takes_its_offsets_from_failing_training_runs_alone(
    folded: TinyBundle, tmp_path: Path
) -> None:
    settings = BundleSettings(TrainingSettings(max_epochs=2), alpha=0.25, exclude_fold=0, threshold="by-turn")
    manifest = build_bundle(labelled(folded.corpus), settings, tmp_path / "by-turn", Silent())
    monitor = Monitor.read(folded.path, device="cpu")
    training = score_runs(monitor, labelled(folded.corpus).runs(lambda _, fold: fold in (2, 3, 4)))
    calibrating = score_runs(monitor, labelled(folded.corpus).runs(lambda _, fold: fold == 1))
    maxima = [to_statistic(run.score, run.turns, manifest.offsets).max() for run in calibrating if run.success]

    assert len(set(manifest.offsets)) > 1
    assert manifest.offsets == learn_offsets(training)
    assert manifest.calibration.success_maxima == pytest.approx(sorted(maxima), abs=1e-6)
    assert manifest.threshold == conformal_threshold(manifest.calibration.success_maxima, 0.25)
    assert manifest.calibration.risk == monitor.manifest.calibration.risk


def test_groups_with_enough_successful_calibration_runs_get_thresholds_of_their_own(
    folded: TinyBundle, tmp_path: Path
) -> None:
    rows = [orjson.loads(line) for line in folded.corpus.outcomes.read_bytes().splitlines()]
    agents = [{**row, "agent": "amy" if number % 8 else "bob"} for number, row in enumerate(rows)]
    (tmp_path / "runs.jsonl").write_bytes(b"\n".join(orjson.dumps(row) for row in agents))
    corpus = replace(labelled(folded.corpus), outcomes=tmp_path / "runs.jsonl", group_by="agent")
    settings = BundleSettings(TrainingSettings(max_epochs=2), alpha=0.25, exclude_fold=0)
    manifest = build_bundle(corpus, settings, tmp_path / "grouped", Silent())
    monitor = Monitor.read(tmp_path / "grouped", device="cpu")
    calibrating = list(score_runs(monitor, corpus.runs(lambda _, fold: fold == 1)))
    amy = sorted(float(run.score.max()) for run in calibrating if run.success and run.group == "amy")

    assert manifest.groups is not None
    assert (manifest.groups.by, manifest.groups.needed, list(manifest.groups.own)) == ("agent", 3, ["amy"])
    assert manifest.groups.own["amy"].success_maxima == pytest.approx(amy, abs=1e-6)
    assert monitor.groups.rules[monitor.groups.find("amy")].threshold == manifest.groups.own["amy"].threshold
    assert monitor.rule.threshold == conformal_threshold(manifest.calibration.success_maxima, 0.25)
    assert len(manifest.calibration.success_maxima) == sum(run.success for run in calibrating) > len(amy)
