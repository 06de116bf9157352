"""Every figure against cases counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from induction.evaluation.metrics import (
    TurnTable,
    alert_metrics,
    bootstrap_over_tasks,
    expected_calibration_error,
    failure_metrics,
    rank_metrics,
    to_turn_table,
)
from induction.learning.scoring import ScoredRun


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


def table_of(label: list[int], answered: list[int] | None = None) -> TurnTable:
    size = len(label)
    flags = np.array(answered or [1] * size, bool)
    return TurnTable(np.zeros(size, int), np.arange(size), np.array(label, float), flags, np.zeros(size, int))


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
    figures = rank_metrics(table_of([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]), None)

    assert figures["auprc_h3"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert figures["auroc_h3"] == pytest.approx(3 / 4)
    assert "ece_h3" not in figures


def test_the_answered_figure_counts_answered_turns_alone() -> None:
    figures = rank_metrics(table_of([1, 0, 1, 0], [1, 0, 1, 1]), np.array([0.1, 0.8, 0.7, 0.3]), None)

    assert figures["auprc_h3_answered"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert figures["auprc_h3"] == pytest.approx((1 / 2 + 2 / 4) / 2)


@pytest.mark.parametrize("label", [[0, 0], [1, 1]])
def test_a_figure_that_one_class_leaves_undefined_is_left_out(label: list[int]) -> None:
    assert rank_metrics(table_of(label), np.array([0.1, 0.2]), np.array([0.1, 0.2])).keys() == {"ece_h3"}


def test_calibration_error_is_the_weighted_distance_over_ten_equal_bins() -> None:
    label = np.array([1.0, 0.0, 1.0, 1.0])
    probability = np.array([0.15, 0.11, 0.95, 1.0])

    # Bin 2 says 0.13 and half of it failed; the last bin says 0.975 and all of it failed.
    assert expected_calibration_error(label, probability) == pytest.approx((2 * 0.37 + 2 * 0.025) / 4)


def test_perfect_probabilities_have_no_calibration_error() -> None:
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0


def runs_of_length(lengths: list[int], failed: int) -> list[ScoredRun]:
    return [scored(number >= failed, list(range(1, length + 1))) for number, length in enumerate(lengths)]


def test_failure_after_turn_k_is_told_apart_among_runs_that_go_on() -> None:
    runs = runs_of_length([6] * 10, failed=5)
    table = to_turn_table(runs, 3)
    score = np.where(table.turn == 3, -table.run, table.run).astype(float)
    score[table.turn == 5] = 0.0

    figures = failure_metrics(runs, table, score)

    assert figures["auroc_fail_3"] == 1.0
    assert figures["ap_fail_3"] == 1.0
    assert figures["auroc_fail_5"] == 0.5
    assert "auroc_fail_10" not in figures


@pytest.mark.parametrize(("failed", "is_there"), [(4, False), (5, True), (6, True), (7, False)])
def test_fewer_than_five_runs_of_either_outcome_leave_the_figure_out(failed: int, is_there: bool) -> None:
    runs = runs_of_length([4] * 11, failed=failed)
    table = to_turn_table(runs, 3)

    assert ("auroc_fail_3" in failure_metrics(runs, table, table.run.astype(float))) == is_there


def test_a_run_that_ends_at_turn_k_does_not_count_for_k() -> None:
    runs = runs_of_length([3] * 5 + [4] * 6, failed=5)
    table = to_turn_table(runs, 3)

    assert failure_metrics(runs, table, table.run.astype(float)) == {}


def test_an_alert_must_come_strictly_before_the_last_turn_to_catch_a_failure() -> None:
    runs = [
        scored(False, [1, 2, 3, 4], score=[0, 2, 0, 0]),
        scored(False, [1, 2, 3, 4], score=[0, 0, 0, 2]),
        scored(False, [1, 2, 3, 4], score=[1, 1, 1, 1]),
        scored(False, [0, 1, 2], score=[2, 0, 0]),
    ]

    figures = alert_metrics(runs, [run.score for run in runs], 1.0)

    assert figures["recall"] == 0.5
    assert figures["left"] == pytest.approx((2 / 4 + 2 / 2) / 2)
    assert "far" not in figures


def test_an_alert_in_the_middle_of_a_turn_counts_at_that_turn() -> None:
    runs = [scored(False, [1, 2, 2, 2, 3], score=[0, 0, 5, 0, 0])]

    assert alert_metrics(runs, [runs[0].score], 1.0) == {"recall": 1.0, "left": pytest.approx(1 / 3)}


def test_a_false_alarm_is_a_successful_run_that_ever_alerts() -> None:
    scores = [[0.0, 0.0], [0.0, 2.0], [2.0, 2.0], [1.0, 1.0]]
    runs = [scored(True, [1, 2], score=score) for score in scores]

    assert alert_metrics(runs, [run.score for run in runs], 1.0) == {"far": 0.5}


def test_an_infinite_threshold_catches_nothing_and_alarms_nobody() -> None:
    runs = [scored(True, [1, 2], score=[9, 9]), scored(False, [1, 2], score=[9, 9])]

    assert alert_metrics(runs, [run.score for run in runs], math.inf) == {"far": 0.0, "recall": 0.0}


def measure_share(runs: list[ScoredRun], chosen: list[int]) -> dict[str, float]:
    return {"failed": float(np.mean([not runs[number].success for number in chosen]))}


def test_an_interval_holds_the_estimate_and_narrows_with_more_tasks() -> None:
    widths = []
    for tasks in (10, 160):
        runs = [scored(number % 3 > 0, [1], task=f"t{number}") for number in range(tasks)]
        low, high = bootstrap_over_tasks(runs, lambda chosen, runs=runs: measure_share(runs, list(chosen)))["failed"]
        assert low <= np.mean([not run.success for run in runs]) <= high
        widths.append(high - low)

    assert widths[1] < widths[0] / 2


def test_whole_tasks_are_drawn() -> None:
    runs = [scored(task == "a", [1], task=task) for task in "aaaabbbb"]
    drawn: list[list[int]] = []

    def measure(chosen: list[int]) -> dict[str, float]:
        drawn.append(list(chosen))
        return {}

    bootstrap_over_tasks(runs, measure, draws=20)  # type: ignore[arg-type]

    assert {tuple(sorted(set(chosen))) for chosen in drawn} <= {(0, 1, 2, 3), (4, 5, 6, 7), tuple(range(8))}
    assert all(len(chosen) == 8 for chosen in drawn)


def test_the_same_seed_gives_the_same_interval() -> None:
    runs = [scored(number % 2 > 0, [1], task=f"t{number}") for number in range(20)]

    one, same = (bootstrap_over_tasks(runs, lambda chosen: measure_share(runs, list(chosen))) for _ in range(2))

    assert one == same


def test_a_figure_that_most_draws_leave_undefined_has_no_interval() -> None:
    runs = [scored(True, [1], task=f"t{number}") for number in range(20)]

    def measure(chosen: object) -> dict[str, float]:
        numbers = list(chosen)  # type: ignore[call-overload]
        return {"always": 1.0, **({"seldom": 1.0} if numbers.count(0) > 2 else {})}

    assert bootstrap_over_tasks(runs, measure).keys() == {"always"}
