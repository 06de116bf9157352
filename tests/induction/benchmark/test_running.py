"""Which fits a benchmark runs, what it keeps, and what it pools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from induction.benchmark import fitting
from induction.benchmark.fits import Fit, FitKey, fit, read_fit, write_fit
from induction.benchmark.fitting import Work, do_fits
from induction.benchmark.plan import Contender, Corpus, Plan, find_contender, find_corpora
from induction.benchmark.pooling import STEP_INDEX, calibration_rates, pool, to_floors
from induction.benchmark.running import run_benchmark
from induction.errors import NoRunsError, TooFewRunsError, UnreadableRawError
from induction.evaluation.metrics import measure
from induction.learning.labelled import LabelledRun
from tests.induction.benchmark_fits import Fits, keys, perfect_fit, silent
from tests.tiny_bundle import tiny_spec, write_corpus

ORACLES = ("near-end-oracle", "outcome-oracle")


def test_a_fit_on_disk_is_read_back_as_it_was(tmp_path: Path) -> None:
    done = perfect_fit(keys()[0])
    write_fit(done, tmp_path)
    found = read_fit(done.key, tmp_path)

    assert found is not None
    assert found.success_maxima == done.success_maxima
    assert [run.run for run in found.runs] == [run.run for run in done.runs]
    np.testing.assert_array_equal(found.runs[3].score, done.runs[3].score)
    assert found.runs[3].answered.dtype == np.bool_


def test_pooled_figures_of_a_perfect_score() -> None:
    figures = measure(pool([perfect_fit(key) for key in keys()]))

    assert figures["auroc_fail_5"] == figures["ap_fail_5"] == 1.0
    assert figures["auroc_fail_5_folds"] == 5
    assert figures["far@0.10"] == 0.0
    assert figures["recall@0.10"] == figures["recall_at_far@0.10"] == 1.0
    assert figures["left@0.10"] == pytest.approx(5 / 6)


def test_each_fold_alerts_by_its_own_threshold() -> None:
    fits = [perfect_fit(key) for key in keys()]
    fits[0] = replace(fits[0], success_maxima=[5.0] * 20)

    assert measure(pool(fits))["recall@0.10"] == pytest.approx(0.8)


def test_runs_are_pooled_in_one_order_whoever_scored_them() -> None:
    fits = [perfect_fit(key) for key in keys()]
    turned = [replace(one, runs=one.runs[::-1]) for one in fits]

    assert [run.run for run in pool(fits).runs] == [run.run for run in pool(turned).runs]


def test_floors_go_through_the_same_code() -> None:
    fits = [perfect_fit(key) for key in keys()]
    floors = {name: measure(make()) for name, make in to_floors(pool(fits), fits).items()}

    assert floors[STEP_INDEX]["auroc_fail_5"] == floors["base-rate"]["auroc_fail_5"] == 0.5
    assert floors["outcome-oracle"]["auroc_fail_5"] == 1.0
    assert floors["outcome-oracle"]["recall@0.10"] == 1.0
    assert floors["near-end-oracle"]["recall@0.10"] == 0.0
    # Six turns a run, the last four of half of the runs have the label.
    assert floors["base-rate"]["auprc_h3"] == pytest.approx(2 / 6)
    assert floors["near-end-oracle"]["auprc_h3"] == pytest.approx(1 / 2)
    assert floors["base-rate"]["ece_h3"] == pytest.approx(0)


def test_the_base_rate_is_that_of_the_calibration_fold() -> None:
    fits = [perfect_fit(key) for key in keys()]
    fits[3] = replace(fits[3], runs=[run for run in fits[3].runs if not run.success])

    assert calibration_rates(fits, 3) == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1 / 3, 1 / 3])


def test_fits_that_are_done_are_not_done_again(tmp_path: Path, plan: Plan, fits: Fits) -> None:
    out = tmp_path / "out"
    write_fit(perfect_fit(keys()[2]), out / "fits")
    rows = run_benchmark(plan, out, silent).rows
    again = run_benchmark(plan, out, silent).rows

    assert [key.fold for key in fits.done] == [0, 1, 3, 4]
    assert rows == again == [orjson.loads(line) for line in (out / "results.jsonl").read_bytes().splitlines()]


def test_rows_are_those_of_the_protocol(tmp_path: Path, plan: Plan, fits: Fits) -> None:
    rows = run_benchmark(plan, tmp_path / "out", silent).rows

    assert all(
        row.keys() == {"corpus", "split", "preset", "head", "seed", "fold", "metric", "value", "lo", "hi"}
        for row in rows
    )
    assert {row["preset"] for row in rows} == {"default", "base-rate", "step-index", *ORACLES}
    assert {row["fold"] for row in rows if row["preset"] == "default"} == {None, 0, 1, 2, 3, 4}


def test_differences_are_paired_over_the_same_draws(tmp_path: Path, plan: Plan, fits: Fits) -> None:
    twice = replace(plan, contenders=(Contender("default", "gru"), Contender("raw-text", "gru")), seeds=(13, 42))
    run_benchmark(twice, tmp_path / "out", silent)
    rows = [orjson.loads(line) for line in (tmp_path / "out" / "differences.jsonl").read_bytes().splitlines()]
    same = [row for row in rows if (row["preset"], row["minus"]) == ("default", "raw-text")]

    assert {row["seed"] for row in same} == {13, 42, None}
    assert all(row["value"] == row["lo"] == row["hi"] == 0.0 for row in same)
    beside = next(
        row for row in rows if row["minus"] == STEP_INDEX and row["metric"] == "auroc_fail_5" and row["seed"] is None
    )
    assert beside["value"] == beside["lo"] == 0.5


def test_what_was_done_before_a_failing_fit_stays(
    tmp_path: Path, plan: Plan, fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_in_the_end(key: FitKey, *_: object) -> Fit:
        if key.fold == 4:
            raise TooFewRunsError("no")
        return perfect_fit(key)

    monkeypatch.setattr(fitting, "fit", fails_in_the_end)
    with pytest.raises(TooFewRunsError):
        run_benchmark(plan, tmp_path / "out", silent)
    monkeypatch.setattr(fitting, "fit", fits)
    run_benchmark(plan, tmp_path / "out", silent)

    assert [key.fold for key in fits.done] == [4]


def test_a_share_of_the_data_that_is_too_small_is_left_out_of_the_learning_curve(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needs_a_quarter(key: FitKey, *_: object) -> Fit:
        if key.share < 0.25:
            raise TooFewRunsError("no")
        return perfect_fit(key)

    monkeypatch.setattr(fitting, "fit", needs_a_quarter)
    rows = run_benchmark(replace(plan, shares=(0.125, 0.25, 1.0)), tmp_path / "out", silent).rows

    assert {row.get("share") for row in rows} == {None, 0.25}


def test_a_smaller_share_of_training_data_lies_within_a_larger_one() -> None:
    runs = [LabelledRun(f"r{number}", f"t{number}", True, number % 5, []) for number in range(500)]
    small, large = ({run.run for run in runs if replace(keys()[0], share=share).uses(run)} for share in (0.25, 0.5))
    held_out = {run.run for run in runs if run.fold in (0, 1)}

    assert held_out < small < large
    assert 0.15 < len(small - held_out) / 300 < 0.35


def test_known_tasks_are_asked_only_where_tasks_repeat(tmp_path: Path, plan: Plan) -> None:
    once = write_corpus(tmp_path / "once", n_runs=10, n_tasks=10, with_folds=True)
    both = replace(plan, corpora=[*plan.corpora, Corpus("once", once.raw, once.outcomes)], splits=("new", "known"))

    assert [(corpus.name, split) for corpus, split in both.blocks()] == [
        ("tiny", "new"),
        ("tiny", "known"),
        ("once", "new"),
    ]
    assert both.left_out() == ["once"]


def test_a_preset_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(KeyError, match="'nothing' is no preset; there are default"):
        find_contender("nothing")


def test_a_corpus_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoRunsError, match="nowhere"):
        find_corpora(tmp_path, ["nowhere"])


@pytest.mark.slow
def test_a_fit_trains_calibrates_and_scores_on_folds_apart(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, with_folds=True)
    found = fit(keys()[2], corpus.raw, tiny_spec(), corpus.outcomes, lambda _: None)

    assert {run.task for run in found.runs} == {f"task-{number}" for number in range(2, 40, 5)}
    rows = [orjson.loads(line) for line in corpus.outcomes.read_bytes().splitlines()]
    assert len(found.success_maxima) == sum(row["success"] for row in rows if row["fold"] == 3)
    assert found.training_runs == sum(row["fold"] in (0, 1, 4) for row in rows)


@pytest.mark.slow
def test_an_error_in_a_process_of_its_own_is_told(tmp_path: Path, plan: Plan) -> None:
    nowhere = replace(plan.corpora[0], raw=tmp_path / "nowhere")
    works = [Work(key, nowhere, tiny_spec()) for key in keys()[:2]]

    with pytest.raises(UnreadableRawError, match="nowhere"):
        list(do_fits(works, tmp_path, silent, jobs=2))


@pytest.mark.soak
def test_fits_in_processes_of_their_own_are_those_done_here(tmp_path: Path, plan: Plan) -> None:
    works = [Work(key, plan.corpora[0], tiny_spec()) for key in keys()[:2]]
    done = {name: list(do_fits(works, tmp_path / name, silent, jobs)) for name, jobs in (("here", 1), ("there", 2))}

    assert set(done["there"]) == set(done["here"]) == {work.key for work in works}
    for work in works:
        here, there = ((tmp_path / name / work.key.file).read_bytes() for name in ("here", "there"))
        assert here == there
