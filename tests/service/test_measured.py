"""What a monitor's page says of measurements: rows, figures at the served thresholds, reliability."""

from __future__ import annotations

import pytest

from monitors.evaluation_record import EvaluationRecord
from monitors.reliability import BINS, Reliability, RunInBins, build_table
from service.core.quality.reports import Material, to_report
from service.core.quality.watching import Watched
from service.pages.measured import to_charts, to_rows, to_served
from service.pages.reliability_chart import SIDE, TOP, to_series
from tests.service.quality.made import manifest

FIGURES = {
    "runs": 50.0, "failures": 20.0, "auprc_h3": 0.7, "auprc_h3_lo": 0.6, "auprc_h3_hi": 0.8,
    "floor_step_index_auprc_h3": 0.4, "far@0.10": 0.11, "recall@0.10": 0.5, "first_alert_caught": 9.0,
    "first_alert_at_last_turn": 1.0, "first_alert_false": 3.0, "first_alert_left_p50": 0.4,
}  # fmt: skip


def reliability() -> Reliability:
    weights = [1.0] + [0.0] * (BINS - 1)
    table = build_table([RunInBins(weights, [0.08, *weights[1:]], weights)] * 3)
    return Reliability(runs=3, tasks=3, failure=table, risk=table)


def kept() -> EvaluationRecord:
    return EvaluationRecord(
        made="", forewarn="", corpus="c", fold=None, known_tasks=False, figures=FIGURES, reliability=reliability()
    )


def test_figures_come_with_their_interval_and_the_floor_of_the_turn_alone() -> None:
    row, *others = to_rows(FIGURES)

    assert (row.name, row.value, row.low, row.high, row.clock) == ("auprc_h3", 0.7, 0.6, 0.8, 0.4)
    assert [one.title for one in others] == [
        "Successes alerted, at a promise of 10%", "Failures alerted before their last turn, at a promise of 10%",
    ]  # fmt: skip


def test_the_figures_at_the_served_thresholds_count_as_live_ones_do() -> None:
    served = to_served(kept())

    assert (served.false_alarms, served.recall, served.left) == (pytest.approx(0.1), 0.5, 0.4)
    assert to_served(None).recall is None


def test_a_dot_lies_where_it_was_said_and_came_with_an_interval_around_it() -> None:
    (dot,) = to_series("measured", "x", 3, 0.9, reliability().failure.bins).dots

    assert (dot.y, dot.high_y) == (TOP, pytest.approx(TOP))
    assert dot.low_y > TOP + SIDE * 0.5, "three runs say little"


def test_an_evaluation_goes_before_what_training_measured_and_nothing_is_drawn_of_nothing() -> None:
    made = manifest([0.0] * 20)
    assert to_charts(made, None, None, None) == []
    assert to_charts(made, None, None, to_report(Material("m", {}, Watched(), [], made, 0.01))) == []
    charts = to_charts(made, reliability(), kept(), None)
    assert [(chart.name, [series.title for series in chart.series]) for chart in charts] == [
        ("failure", ["evaluation"]), ("risk", ["evaluation"]),
    ]  # fmt: skip
    assert to_charts(made, reliability(), None, None)[0].series[0].title == "calibration runs"
