"""Which fits a benchmark runs, what it keeps, and what it pools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest

from induction.benchmark import running
from induction.benchmark.fits import Fit, FitKey, read_fit, write_fit
from induction.benchmark.pooling import pool_figures, pool_intervals, step_index_figures
from induction.benchmark.running import Corpus, Plan, find_corpora, run_benchmark, to_table
from induction.errors import NoRunsError
from induction.learning.scoring import ScoredRun
from monitors.adapter import write_spec
from tests.tiny_bundle import tiny_spec, write_corpus


def scored(run: str, *, success: bool, scores: list[float]) -> ScoredRun:
    """A run of one raw step a turn, each answered."""
    steps = len(scores)
    values = np.array(scores)
    return ScoredRun(
        run,
        f"task of {run}",
        success,
        np.arange(1, steps + 1, dtype=np.int32),
        np.ones(steps, np.int32),
        np.ones(steps, np.bool_),
        1 / (1 + np.exp(-values)),
        1 / (1 + np.exp(-values)),
        values,
    )


def perfect_fit(key: FitKey) -> Fit:
    """Failures score 1, successes -1; the calibration's successes reach 0."""
    runs = [
        scored(f"{key.fold}-{number}", success=number % 2 == 0, scores=[1.0 if number % 2 else -1.0] * 6)
        for number in range(12)
    ]
    return Fit(key, runs, [0.0] * 20, [6] * 20)


def keys() -> list[FitKey]:
    return [FitKey("tiny", "new", "default", 13, fold) for fold in range(5)]


def test_a_fit_on_disk_is_read_back_as_it_was(tmp_path: Path) -> None:
    fit = perfect_fit(keys()[0])
    write_fit(fit, tmp_path)
    found = read_fit(fit.key, tmp_path)

    assert found is not None
    assert found.success_maxima == fit.success_maxima
    assert [run.run for run in found.runs] == [run.run for run in fit.runs]
    np.testing.assert_array_equal(found.runs[3].score, fit.runs[3].score)
    assert found.runs[3].answered.dtype == np.bool_


def test_pooled_figures_of_a_perfect_score() -> None:
    figures = pool_figures([perfect_fit(key) for key in keys()])

    assert figures["auroc_fail_5"] == figures["ap_fail_5"] == 1.0
    assert figures["far@0.10"] == 0.0
    assert figures["recall@0.10"] == 1.0
    assert figures["left@0.10"] == pytest.approx(5 / 6)


def test_each_fold_alerts_by_its_own_threshold() -> None:
    fits = [perfect_fit(key) for key in keys()]
    fits[0] = Fit(fits[0].key, fits[0].runs, [5.0] * 20, fits[0].success_turns)

    assert pool_figures(fits)["recall@0.10"] == pytest.approx(0.8)


def test_the_step_index_cannot_tell_failures_at_a_given_turn() -> None:
    assert step_index_figures([perfect_fit(key) for key in keys()])["auroc_fail_5"] == 0.5


def test_intervals_hold_the_figures() -> None:
    fits = [perfect_fit(key) for key in keys()]
    intervals = pool_intervals(fits, draws=20)

    for name, value in pool_figures(fits).items():
        low, high = intervals[name]
        assert low - 1e-9 <= value <= high + 1e-9


def test_fits_that_are_done_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[FitKey] = []

    def count(key: FitKey, *_: object) -> Fit:
        done.append(key)
        return perfect_fit(key)

    monkeypatch.setattr(running, "fit", count)
    (tmp_path / "adapters").mkdir()
    write_spec(tiny_spec(), tmp_path / "adapters" / "tiny.json")
    plan = Plan([Corpus("tiny", tmp_path, tmp_path)], ("default",), ("new",), (13,))
    write_fit(perfect_fit(keys()[2]), tmp_path / "fits")
    rows = run_benchmark(plan, tmp_path, lambda *_: None)
    again = run_benchmark(plan, tmp_path, lambda *_: None)

    assert [key.fold for key in done] == [0, 1, 3, 4]
    assert rows == again == [orjson.loads(line) for line in (tmp_path / "results.jsonl").read_bytes().splitlines()]
    assert {row["preset"] for row in rows} == {"default", "step-index"}


def test_a_table_shows_mean_and_spread_over_seeds() -> None:
    row = {"corpus": "tiny", "split": "new", "preset": "default", "metric": "auprc_h3"}
    table = to_table([{**row, "value": 0.4}, {**row, "value": 0.6}], ["auprc_h3", "recall@0.10"])

    assert table == [["tiny", "new", "default", "0.500 ± 0.141", "–"]]


def test_a_corpus_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoRunsError, match="nowhere"):
        find_corpora(tmp_path, ["nowhere"])


@pytest.mark.slow
def test_a_fit_trains_calibrates_and_scores_on_folds_apart(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, with_folds=True)
    key = FitKey("tiny", "new", "default", 13, 2)
    found = running.fit(key, corpus.raw, tiny_spec(), corpus.outcomes, lambda _: None)

    assert {run.task for run in found.runs} == {f"task-{number}" for number in range(2, 40, 5)}
    rows = [orjson.loads(line) for line in corpus.outcomes.read_bytes().splitlines()]
    assert len(found.success_maxima) == sum(row["success"] for row in rows if row["fold"] == 3)
