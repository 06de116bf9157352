"""How early alerts came, from runs whose outcomes came."""

from __future__ import annotations

from dataclasses import replace

from service.core.quality.counts import Kind
from service.core.quality.finished import FinishedRun, to_finished
from service.core.quality.leads import Lead, lead_of
from service.records import RunRecord, RunRef, RunSummary, ScoreRecord
from tests.service.quality.made import finished, profile_of


def failed(turns: int, alert_turn: int | None, *, success: bool = False) -> FinishedRun:
    kind = Kind(success, False, alert_turn is not None, False)
    return replace(finished(profile_of([0]), kind), turns=turns, alert_turn=alert_turn)


def test_the_median_share_and_the_median_turns_are_of_failures_alerted_before_their_last_turn() -> None:
    runs = [failed(10, 5), failed(10, 9), failed(4, 1), failed(6, 6), failed(8, None), failed(9, 1, success=True)]

    assert lead_of(runs) == Lead(runs=3, late=1, left=0.5, turns=3.0)


def test_without_alerts_nothing_is_said() -> None:
    assert lead_of([failed(8, None)]) == Lead(0, 0, None, None)


def test_the_first_alert_of_a_run_counts_be_it_told_or_hidden() -> None:
    scores = [
        ScoreRecord(0, 0.1, 0.1, -2.0, 1, 5),
        ScoreRecord(2, 0.9, 0.9, 2.0, 1, 6, hidden_alert=True),
        ScoreRecord(3, 0.9, 0.9, 2.0, 1, 7, alert=True),
    ]
    record = RunRecord(RunRef("default", "r"), 1, 2, 3, success=False, summary=RunSummary(steps=3, turn=7))
    run = to_finished(record, b"".join(score.to_bytes() for score in scores))

    assert (run.turns, run.alert_turn) == (7, 2)
