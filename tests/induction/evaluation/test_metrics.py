"""Every figure against cases counted by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from induction.evaluation.alerting import alert_metrics, alert_metrics_at, equal_far_metrics
from induction.evaluation.metrics import (
    draw_tasks,
    expected_calibration_error,
    failure_metrics,
    measure,
    measure_draws,
    rank_metrics,
    to_interval,
)
from induction.evaluation.sample import Sample, TurnTable, to_sample, to_turn_table
from induction.learning.scoring import ScoredRun


def defined(figures: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    """The figures of the only draw, without the undefined ones."""
    return {name: float(value) for name, (value,) in figures.items() if math.isfinite(value)}


def once(sample: Sample) -> NDArray[np.float64]:
    """Every run once."""
    return np.ones((1, len(sample.runs)))


def all_at(sample: Sample, threshold: float) -> NDArray[np.float64]:
    """One threshold for every run."""
    return np.full(len(sample.runs), threshold)


def scored(
    success: bool,
    turns: list[int],
    *,
    task: str = "t",
    actions: list[int] | None = None,
    answered: list[bool] | None = None,
    score: list[float] | None = None,
) -> ScoredRun:
    """Return a run with these turn numbers after its raw steps; a step that raises the number is the action."""
    values = np.array(score or [0.0] * len(turns))
    return ScoredRun(
        run="r",
        task=task,
        success=success,
        turns=np.array(turns, np.int32),
        actions=np.array(actions if actions is not None else np.diff(turns, prepend=0), np.int32),
        answered=np.array(answered or [True] * len(turns), np.bool_),
        risk=values,
        failure=values,
        score=values,
    )


def sample_of(
    label: list[int], risk: list[float], answered: list[int] | None = None, *, calibrated: bool = False
) -> Sample:
    """A sample of one run with these rows."""
    size = len(label)
    flags = np.array(answered or [1] * size, bool)
    rows = np.arange(size)
    table = TurnTable(rows * 0, rows, np.array(label, float), flags, rows * 0)
    blank = to_sample([scored(False, [1])], 3, [[]])
    return replace(blank, table=table, risk=np.array(risk), calibrated=calibrated)


def test_a_turn_is_one_row_at_its_last_raw_step() -> None:
    table = to_turn_table([scored(False, [0, 1, 1, 2, 3]), scored(True, [1, 1])], 1)

    assert table.run.tolist() == [0, 0, 0, 1]
    assert table.turn.tolist() == [1, 2, 3, 1]
    assert table.place.tolist() == [2, 3, 4, 1]
    assert table.label.tolist() == [0, 1, 1, 0]


def test_parallel_calls_are_as_many_rows_with_one_score() -> None:
    table = to_turn_table([scored(False, [1, 4, 4, 5], answered=[False, False, True, False])], 3)

    assert table.turn.tolist() == [1, 2, 3, 4, 5]
    assert table.place.tolist() == [0, 2, 2, 2, 3]
    assert table.answered.tolist() == [False, True, True, True, False]
    assert table.label.tolist() == [0, 1, 1, 1, 1]


def test_average_precision_and_area_under_roc_are_those_counted_by_hand() -> None:
    sample = sample_of([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    figures = defined(rank_metrics(sample, once(sample)))

    assert figures["auprc_h3"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert figures["auroc_h3"] == pytest.approx(3 / 4)
    assert "ece_h3" not in figures


def test_the_answered_figure_counts_answered_turns_alone() -> None:
    sample = sample_of([1, 0, 1, 0], [0.1, 0.8, 0.7, 0.3], [1, 0, 1, 1])
    figures = defined(rank_metrics(sample, once(sample)))

    assert figures["auprc_h3_answered"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert figures["auprc_h3"] == pytest.approx((1 / 2 + 2 / 4) / 2)


@pytest.mark.parametrize("label", [[0, 0], [1, 1]])
def test_a_figure_that_one_class_leaves_undefined_is_left_out(label: list[int]) -> None:
    sample = sample_of(label, [0.1, 0.2], calibrated=True)

    assert defined(rank_metrics(sample, once(sample))).keys() == {"ece_h3"}


def calibration_error(label: list[float], probability: list[float]) -> float:
    rows = np.arange(len(label))
    return float(expected_calibration_error(np.array(label), np.array(probability), rows, np.ones((1, rows.size)))[0])


def test_calibration_error_is_the_weighted_distance_over_ten_equal_bins() -> None:
    # Bin 2 says 0.13 and half of it failed; the last bin says 0.975 and all of it failed.
    assert calibration_error([1.0, 0.0, 1.0, 1.0], [0.15, 0.11, 0.95, 1.0]) == pytest.approx((2 * 0.37 + 2 * 0.025) / 4)


def test_perfect_probabilities_have_no_calibration_error() -> None:
    assert calibration_error([0.0, 1.0], [0.0, 1.0]) == 0


def runs_of_length(lengths: list[int], failed: int) -> list[ScoredRun]:
    return [scored(number >= failed, list(range(1, length + 1))) for number, length in enumerate(lengths)]


def by_run(runs: list[ScoredRun]) -> Sample:
    """Runs whose later ones score higher at every turn."""
    sample = to_sample(runs, 3, [[]])
    return replace(sample, score=sample.table.run.astype(float))


def test_failure_after_turn_k_is_told_apart_among_runs_that_go_on() -> None:
    sample = to_sample(runs_of_length([6] * 10, failed=5), 3, [[]])
    score = np.where(sample.table.turn == 3, -sample.table.run, sample.table.run).astype(float)
    score[sample.table.turn == 5] = 0.0

    figures = defined(failure_metrics(replace(sample, score=score), once(sample)))

    assert figures["auroc_fail_3"] == 1.0
    assert figures["ap_fail_3"] == 1.0
    assert figures["auroc_fail_5"] == 0.5
    assert "auroc_fail_10" not in figures


@pytest.mark.parametrize(("failed", "is_there"), [(4, False), (5, True), (6, True), (7, False)])
def test_fewer_than_five_runs_of_either_outcome_leave_the_figure_out(failed: int, is_there: bool) -> None:
    sample = by_run(runs_of_length([4] * 11, failed=failed))

    assert ("auroc_fail_3" in measure(sample)) == is_there


def test_a_run_that_ends_at_turn_k_does_not_count_for_k() -> None:
    assert "auroc_fail_3" not in measure(by_run(runs_of_length([3] * 5 + [4] * 6, failed=5)))


def test_folds_that_have_enough_runs_are_averaged_and_counted() -> None:
    # Fold 0 ranks all failures first, fold 1 all of them last, fold 2 has no successes.
    runs = [scored(number % 2 > 0, [1, 2, 3, 4], score=[number % 2] * 4) for number in range(10)]
    runs += [scored(number % 2 > 0, [1, 2, 3, 4], score=[-(number % 2)] * 4) for number in range(10)]
    runs += [scored(False, [1, 2, 3, 4])] * 10
    figures = measure(to_sample(runs, 3, [[], [], []], [0] * 10 + [1] * 10 + [2] * 10))

    assert figures["auroc_fail_3"] == 0.5
    assert figures["auroc_fail_3_folds"] == 2


def test_within_agents_only_pairs_of_one_agent_count() -> None:
    # Agent a always succeeds with high scores or fails with higher ones; agent b the same, far below.
    runs, agents = [], {}
    for number in range(20):
        agent, fails = "ab"[number % 2], number % 4 < 2
        run = scored(not fails, [1, 2, 3, 4], score=[(0 if agent == "a" else -10) + fails] * 4)
        runs.append(replace(run, run=f"r{number}"))
        agents[f"r{number}"] = agent
    figures = measure(to_sample(runs, 3, [[]], agents=agents))

    assert figures["auroc_fail_3_within_agent"] == 1.0
    assert figures["auroc_fail_3"] == 0.75


def test_runs_of_unknown_agents_have_no_figure_within_agents() -> None:
    figures = measure(by_run(runs_of_length([4] * 20, failed=10)))

    assert "auroc_fail_3_within_agent" not in figures


def test_within_tasks_only_pairs_of_one_task_count() -> None:
    # Tasks differ by 10, failures score one higher than successes of their task.
    runs = [
        scored(number % 2 > 0, [1, 2, 3, 4], task=f"t{number // 2}", score=[10 * (number // 2) + (number % 2 == 0)] * 4)
        for number in range(20)
    ]
    figures = measure(to_sample(runs, 3, [[]]))

    assert figures["auroc_fail_3_within_task"] == 1.0
    assert figures["auroc_fail_3"] < 0.6


def test_an_alert_must_come_strictly_before_the_last_turn_to_catch_a_failure() -> None:
    runs = [
        scored(False, [1, 2, 3, 4], score=[0, 2, 0, 0]),
        scored(False, [1, 2, 3, 4], score=[0, 0, 0, 2]),
        scored(False, [1, 2, 3, 4], score=[1, 1, 1, 1]),
        scored(False, [0, 1, 2], score=[2, 0, 0]),
    ]
    sample = to_sample(runs, 3, [[]])

    figures = defined(alert_metrics_at(sample, once(sample), all_at(sample, 1.0)))

    assert figures["recall"] == 0.5
    assert figures["left"] == pytest.approx((2 / 4 + 2 / 2) / 2)
    assert "far" not in figures


def test_an_alert_in_the_middle_of_a_turn_counts_at_that_turn() -> None:
    sample = to_sample([scored(False, [1, 2, 2, 2, 3], score=[0, 0, 5, 0, 0])], 3, [[]])

    assert defined(alert_metrics_at(sample, once(sample), all_at(sample, 1.0))) == {
        "recall": 1.0,
        "left": pytest.approx(1 / 3),
    }


def test_a_false_alarm_is_a_successful_run_that_ever_alerts() -> None:
    scores = [[0.0, 0.0], [0.0, 2.0], [2.0, 2.0], [1.0, 1.0]]
    sample = to_sample([scored(True, [1, 2], score=score) for score in scores], 3, [[]])

    assert defined(alert_metrics_at(sample, once(sample), all_at(sample, 1.0))) == {"far": 0.5}


def test_an_infinite_threshold_catches_nothing_and_alarms_nobody() -> None:
    sample = to_sample([scored(True, [1, 2], score=[9, 9]), scored(False, [1, 2], score=[9, 9])], 3, [[]])

    assert defined(alert_metrics_at(sample, once(sample), all_at(sample, math.inf))) == {"far": 0.0, "recall": 0.0}


def test_each_fold_alerts_by_the_threshold_of_its_own_calibration_runs() -> None:
    runs = [scored(False, [1, 2], score=[1, 1]), scored(False, [1, 2], score=[1, 1])]
    sample = to_sample(runs, 3, [[0.0] * 19, [2.0] * 19], [0, 1])

    assert defined(alert_metrics(sample, once(sample)))["recall@0.10"] == 0.5


def test_at_equal_false_alarms_recall_is_read_off_between_two_thresholds() -> None:
    # Ten successes reach 0 … 9; a failure above 9 is always caught, one at 8.5 from one false alarm in ten on.
    runs = [scored(True, [1, 2], score=[level, 0]) for level in range(10)]
    runs += [scored(False, [1, 2], score=[20, 20]), scored(False, [1, 2], score=[8.5, 0])]
    sample = to_sample(runs, 3, [[]])
    figures = defined(equal_far_metrics(sample, once(sample)))

    assert figures["recall_at_far@0.05"] == pytest.approx(0.75)
    assert figures["recall_at_far@0.10"] == pytest.approx(1.0)
    assert figures["left_at_far@0.10"] == pytest.approx(0.5)


def test_recall_at_equal_false_alarms_does_not_hang_on_the_calibration_runs() -> None:
    runs = [scored(number % 2 > 0, [1, 2, 3], score=[number % 7] * 3) for number in range(40)]
    lax, strict = (measure(to_sample(runs, 3, [maxima])) for maxima in ([0.0] * 40, [9.0] * 40))

    assert lax["recall@0.10"] > strict["recall@0.10"]
    assert lax["recall_at_far@0.10"] == strict["recall_at_far@0.10"]


def random_sample(n_runs: int = 60, n_tasks: int = 20) -> Sample:
    """Runs with tied scores in two folds."""
    rng = np.random.default_rng(3)
    runs = []
    for number in range(n_runs):
        size = int(rng.integers(2, 9))
        score = rng.integers(0, 6, size).tolist()
        run = scored(bool(rng.random() < 0.5), list(range(1, size + 1)), task=f"t{number % n_tasks}", score=score)
        runs.append(replace(run, run=f"r{number}"))
    folds = [(number % n_tasks) % 2 for number in range(n_runs)]
    agents = {f"r{number}": f"a{number % 3}" for number in range(n_runs)}
    return to_sample(runs, 3, [[3.0] * 30, [4.0] * 30], folds, agents)


def test_multiplicities_rank_as_scikit_learns_weights_do() -> None:
    sample = random_sample()
    weights = draw_tasks(sample, draws=5)
    figures = rank_metrics(replace(sample, calibrated=False), weights)

    for draw in range(5):
        rows = weights[draw, sample.table.run]
        for name, score in (("auprc_h3", average_precision_score), ("auroc_h3", roc_auc_score)):
            expected = score(sample.table.label, sample.risk, sample_weight=rows)
            assert figures[name][draw] == pytest.approx(expected, abs=1e-12)


def test_a_draw_of_tasks_gives_what_its_runs_copied_out_give() -> None:
    sample = random_sample()
    weights = draw_tasks(sample, draws=3)
    drawn = measure_draws(sample, weights)

    for draw in range(3):
        runs, folds, agents = [], [], {}
        for number, times in enumerate(weights[draw].astype(int)):
            for copy in range(times):
                run = sample.runs[number]
                runs.append(replace(run, run=f"{run.run}/{copy}", task=f"{run.task}/{copy}"))
                folds.append(int(sample.fold[number]))
                agents[f"{run.run}/{copy}"] = f"a{sample.agent[number]}"
        copied = measure(to_sample(runs, 3, sample.success_maxima, folds, agents))
        assert {name: pytest.approx(float(values[draw])) for name, values in drawn.items() if name in copied} == copied


def test_whole_tasks_are_drawn_within_their_folds() -> None:
    sample = random_sample()
    weights = draw_tasks(sample, draws=20)

    for task in range(20):
        same = weights[:, sample.task == task]
        assert (same == same[:, :1]).all()
    for fold in (0, 1):
        assert (weights[:, sample.fold == fold].sum(1) == 30).all()


def test_tasks_that_lie_in_several_folds_are_drawn_whole_too() -> None:
    runs = [scored(number % 3 > 0, [1], task=f"t{number // 2}") for number in range(20)]
    weights = draw_tasks(to_sample(runs, 3, [[], []], [number % 2 for number in range(20)]), draws=20)

    assert (weights[:, 0::2] == weights[:, 1::2]).all()


def test_an_interval_holds_the_estimate_and_narrows_with_more_tasks() -> None:
    widths = []
    for tasks in (10, 160):
        runs = [scored(number % 3 > 0, [1, 2], task=f"t{number}", score=[number % 2, 0]) for number in range(tasks)]
        sample = to_sample(runs, 3, [[0.0] * 30])
        interval = to_interval(measure_draws(sample, draw_tasks(sample))["far@0.10"])
        assert interval is not None
        assert interval[0] <= measure(sample)["far@0.10"] <= interval[1]
        widths.append(interval[1] - interval[0])

    assert widths[1] < widths[0] / 2


def test_the_same_seed_gives_the_same_draws() -> None:
    sample = random_sample()

    assert (draw_tasks(sample) == draw_tasks(sample)).all()


def test_a_figure_that_most_draws_leave_undefined_has_no_interval() -> None:
    assert to_interval(np.array([1.0] * 50 + [np.nan] * 150)) is None
    assert to_interval(np.array([1.0] * 150 + [np.nan] * 50)) == (1.0, 1.0)
