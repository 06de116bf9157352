"""Reliability: what was said against what came, by tenths, with how many runs it rests on."""

from __future__ import annotations

import pytest

from monitors.errors import BundleError
from monitors.evaluation_record import parse_evaluation
from monitors.reliability import BINS, Reliability, RunInBins, build_table, parse_reliability


def run_at(place: int, said: float, came: bool, weight: float = 1.0) -> RunInBins:
    weights = [0.0] * BINS
    weights[place] = weight
    return RunInBins(weights, [one * said for one in weights], weights if came else [0.0] * BINS)


def test_a_bin_holds_the_mean_of_what_was_said_and_the_share_in_which_it_came() -> None:
    table = build_table([run_at(2, 0.25, True), run_at(2, 0.21, False), run_at(9, 0.95, True)])

    low, high = table.bins[2], table.bins[9]
    assert low is not None
    assert high is not None
    assert (low.said, low.came, low.runs) == (pytest.approx(0.23), 0.5, 2)
    assert (low.share, high.share) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert [one for place, one in enumerate(table.bins) if place not in (2, 9)] == [None] * 8
    assert table.error == pytest.approx((abs(1 - 0.46) + 0.05) / 3)


def test_a_long_run_beside_short_ones_counts_as_fewer_effective_runs() -> None:
    even = build_table([run_at(0, 0.05, False)] * 4).bins[0]
    uneven = build_table([run_at(0, 0.05, False)] * 3 + [run_at(0, 0.05, True, weight=30)]).bins[0]

    assert even is not None
    assert uneven is not None
    assert even.effective_runs == pytest.approx(4)
    assert uneven.runs == 4
    assert uneven.effective_runs < 1.3


def test_of_no_runs_nothing_is_said() -> None:
    table = build_table([])
    assert (table.runs, table.error, table.bins) == (0, None, [None] * BINS)


def test_a_file_comes_back_and_one_of_a_newer_format_is_refused() -> None:
    table = build_table([run_at(3, 0.33, True)])
    kept = Reliability(runs=1, tasks=1, failure=table, risk=table)

    assert parse_reliability(kept.model_dump_json().encode(), "x") == kept
    with pytest.raises(BundleError, match="format 2"):
        parse_reliability(kept.model_copy(update={"format": 2}).model_dump_json().encode(), "x")
    with pytest.raises(BundleError, match=r"evaluation\.json holds nothing"):
        parse_evaluation(b'{"figures": {"a": 1e999}}', "evaluation.json")


def test_a_newer_format_is_told_whatever_else_is_new_in_it() -> None:
    with pytest.raises(BundleError, match="x has format 9; this forewarn reads up to 1: upgrade it"):
        parse_reliability(b'{"format": 9, "curves": []}', "x")
