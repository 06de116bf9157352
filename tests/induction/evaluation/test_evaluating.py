"""A bundle on runs that it never saw."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from induction.errors import KnownTasksError, NoRunsError
from induction.evaluation.alerting import first_alerts, first_alerts_at
from induction.evaluation.evaluating import Evaluation, evaluate
from induction.evaluation.own_thresholds import own_thresholds
from induction.evaluation.scores_file import write_scores
from induction.learning.labelled import LabelledCorpus
from monitors import Monitor
from monitors.bundle.manifest import GroupRecord, GroupsRecord
from monitors.conformal import conformal_threshold
from tests.tiny_bundle import TinyBundle, labelled


def test_tasks_of_training_or_calibration_are_refused(monitor: Monitor, tiny: TinyBundle) -> None:
    with pytest.raises(KnownTasksError, match=r"task 'task-\d+'.*--allow-known-tasks"):
        evaluate(monitor, labelled(tiny.corpus), None)


def test_known_tasks_are_scored_where_that_is_asked_for(monitor: Monitor, tiny: TinyBundle) -> None:
    found = evaluate(monitor, labelled(tiny.corpus), None, allow_known_tasks=True)

    assert len(found.runs) == len(tiny.corpus.runs)


def test_one_fold_alone_is_scored(monitor: Monitor, new_tasks: LabelledCorpus) -> None:
    heard: list[None] = []

    found = evaluate(monitor, new_tasks, 2, on_run=lambda: heard.append(None))

    assert {run.task for run in found.runs} == {f"new-task-{number}" for number in range(2, 40, 5)}
    assert len(heard) == len(found.runs) == 16


def test_a_fold_without_runs_is_an_error(monitor: Monitor, new_tasks: LabelledCorpus, tmp_path: Path) -> None:
    rows = [line for line in new_tasks.outcomes.read_bytes().splitlines() if b'"fold":4' not in line]  # type: ignore[union-attr]
    (tmp_path / "runs.jsonl").write_bytes(b"\n".join(rows))

    with pytest.raises(NoRunsError, match="fold 4"):
        evaluate(monitor, LabelledCorpus(new_tasks.raw, new_tasks.spec, tmp_path / "runs.jsonl"), 4)


def test_traces_in_which_nobody_acts_are_an_error(monitor: Monitor, new_tasks: LabelledCorpus, tmp_path: Path) -> None:
    (tmp_path / "silent.json").write_bytes(orjson.dumps([{"messages": [{"role": "user", "content": "hello"}]}]))
    row = {"run": "r", "file": "silent.json", "loc": 0, "task": "t", "success": True, "fold": 0}
    (tmp_path / "runs.jsonl").write_bytes(orjson.dumps(row))

    with pytest.raises(NoRunsError, match="no agent acts"):
        evaluate(monitor, LabelledCorpus(tmp_path / "silent.json", new_tasks.spec, tmp_path / "runs.jsonl"), None)


def test_figures_are_a_flat_object_of_finite_numbers(evaluation: Evaluation) -> None:
    assert all(type(value) is float and math.isfinite(value) for value in evaluation.figures.values())
    assert orjson.loads(orjson.dumps(evaluation.figures)) == evaluation.figures


def test_every_figure_of_the_protocol_is_there_beside_its_floors_and_interval(evaluation: Evaluation) -> None:
    ranked = ["auprc_h3_answered", "auprc_h3", "auroc_h3", "auroc_fail_3", "ap_fail_3"]
    alerts = [f"{name}@{alpha}" for name in ("far", "recall") for alpha in ("0.05", "0.10", "0.20")]

    for name in [*ranked, "ece_h3", *alerts]:
        assert evaluation.figures[f"{name}_lo"] <= evaluation.figures[f"{name}_hi"]
        assert name in evaluation.figures
    assert {f"floor_step_index_{name}" for name in [*ranked, *alerts]} <= evaluation.figures.keys()
    floors = ("near_end_oracle", "outcome_oracle", "base_rate")
    assert {f"floor_{floor}_{name}" for floor in floors for name in [*ranked, *alerts]} <= evaluation.figures.keys()


def test_intervals_hold_the_figures(evaluation: Evaluation) -> None:
    figures = evaluation.figures
    names = [name.removesuffix("_lo") for name in figures if name.endswith("_lo") and "expected" not in name]

    assert names
    assert all(figures[f"{name}_lo"] <= figures[name] <= figures[f"{name}_hi"] for name in names if name != "ece_h3")


def test_counts_are_those_of_the_runs(evaluation: Evaluation) -> None:
    figures, runs = evaluation.figures, evaluation.runs

    assert figures["runs"] == len(runs) == 80
    assert figures["tasks"] == 40
    assert figures["failures"] == sum(not run.success for run in runs)
    assert figures["turns"] == sum(run.last_turn for run in runs)
    assert figures["steps"] == sum(run.score.size for run in runs)


def test_the_planted_signal_beats_the_step_index(evaluation: Evaluation) -> None:
    assert evaluation.figures["auroc_fail_3"] > 0.7
    assert evaluation.figures["floor_step_index_auroc_fail_3"] == 0.5


def test_an_oracle_of_the_outcome_gives_no_false_answer(evaluation: Evaluation) -> None:
    assert evaluation.figures["floor_outcome_oracle_auroc_h3"] > evaluation.figures["base_rate_h3"]
    assert evaluation.figures["floor_near_end_oracle_auprc_h3"] > evaluation.figures["base_rate_h3"]


def test_written_scores_are_those_of_a_session_step_by_step(
    evaluation: Evaluation, monitor: Monitor, new_tasks: LabelledCorpus, tmp_path: Path
) -> None:
    write_scores(evaluation.runs, tmp_path / "scores.jsonl")
    lines = [orjson.loads(line) for line in (tmp_path / "scores.jsonl").read_bytes().splitlines()]

    for line, run in zip(lines, new_tasks.runs(), strict=True):
        session = monitor.session()
        verdicts = [session.step(event) for event in run.events]
        assert (line["run"], line["task"], line["success"]) == (run.run, run.task, run.success)
        assert line["turns"] == [verdict.turn for verdict in verdicts]
        assert np.allclose(line["score"], [verdict.score for verdict in verdicts], rtol=0, atol=1e-5)
        assert np.allclose(line["risk"], [verdict.risk for verdict in verdicts], rtol=0, atol=1e-5)
        failure = [verdict.failure_probability for verdict in verdicts]
        assert np.allclose(line["failure_probability"], failure, rtol=0, atol=1e-5)


def test_alerts_are_judged_by_the_threshold_of_their_turn_as_a_session_has_them(
    monitor: Monitor, new_tasks: LabelledCorpus
) -> None:
    calibration = monitor.manifest.calibration
    changed = {"threshold": 0.0, "release": -9.0, "offsets": [0.3, 0.2, -0.2, 0.0]}
    by_turn = Monitor(monitor.manifest.model_copy(update=changed), monitor.adapter, monitor.featuriser, monitor.scorer)
    found = evaluate(by_turn, new_tasks, None)
    first = first_alerts(found.sample, np.arange(len(found.runs)), np.array([0.0]))[:, 0]

    for run, turn in zip(new_tasks.runs(), first, strict=True):
        session = by_turn.session()
        alerts = [verdict.alert for verdict in map(session.step, run.events) if verdict.alert is not None]
        assert (alerts[0].turn if alerts else -1) == turn
    assert len(set(first.tolist())) > 2
    assert calibration.success_maxima == found.sample.success_maxima[0]
    assert np.array_equal(found.sample.score, evaluate(monitor, new_tasks, None).sample.score)


def test_each_group_is_judged_by_its_own_threshold_as_a_session_of_it_alerts(
    monitor: Monitor, new_tasks: LabelledCorpus, tmp_path: Path
) -> None:
    rows = [orjson.loads(line) for line in new_tasks.outcomes.read_bytes().splitlines()]  # type: ignore[union-attr]
    named = [{**row, "model": ("one", "two", "new", None)[number % 4]} for number, row in enumerate(rows)]
    (tmp_path / "runs.jsonl").write_bytes(b"\n".join(orjson.dumps(row) for row in named))
    corpus = replace(new_tasks, outcomes=tmp_path / "runs.jsonl")
    levels = {"one": [-0.1, 0.0], "two": [0.1, 0.2], "others": [9.0]}
    records = {
        name: GroupRecord(success_maxima=values * 20, threshold=values[-1], release=-9.0)
        for name, values in levels.items()
    }
    groups = GroupsRecord(by="model", needed=9, others=records.pop("others"), own=records)
    manifest = monitor.manifest.model_copy(update={"groups": groups, "threshold": 0.05, "release": -9.0})
    grouped = Monitor(manifest, monitor.adapter, monitor.featuriser, monitor.scorer)

    found = evaluate(grouped, corpus, None)
    first = first_alerts_at(found.sample, own_thresholds(manifest, found.runs))

    for run, turn in zip(replace(corpus, group_by="model").runs(), first, strict=True):
        session = grouped.session(run.group)
        alerts = [verdict.alert for verdict in map(session.step, run.events) if verdict.alert is not None]
        assert (alerts[0].turn if alerts else -1) == turn
    good = [run for run in found.runs if run.success]
    limits = {"one": 0.0, "two": 0.2, "new": 9.0, "": conformal_threshold(manifest.calibration.success_maxima, 0.05)}
    expected = np.mean([run.score.max() > limits[run.group] for run in good])
    assert found.figures["far@0.05"] == pytest.approx(expected)
    assert {run.group for run in good} == {"one", "two", "new", ""}
