"""The table of live runs: what it shows, in which order, and that it stays bounded."""

from __future__ import annotations

from typing import Any

import pytest

from service.core.live import Update
from service.core.live_runs import LiveQuery, LiveTable
from service.records import RunRecord, RunRef, RunSummary, ScoreRecord


def ref(name: str) -> RunRef:
    return RunRef("p", name)


def record(name: str, **said: Any) -> RunRecord:
    summary = said.pop("summary", RunSummary())
    return RunRecord(ref(name), said.pop("created_ms", 1), said.pop("updated_ms", 1), 3, summary=summary, **said)


def score(name: str, position: int, risk: float, agent: str = "") -> Update:
    return Update(ref(name), position, ScoreRecord(0, risk, risk, 0.0, 0, 5), agent, None)


def shown(table: LiveTable, **asked: Any) -> list[str]:
    return [row.ref.run_id for row in table.rank(LiveQuery("p", **asked)).rows]


def test_the_riskiest_run_comes_first_and_the_limit_holds() -> None:
    table = LiveTable()
    for name, risk in (("a", 0.2), ("b", 0.9), ("c", 0.5)):
        table.apply(score(name, 0, risk))
    assert shown(table, limit=2) == ["b", "c"]
    assert table.rank(LiveQuery("p", limit=2)).matching == 3


def test_a_page_goes_on_where_the_one_before_ended() -> None:
    table = LiveTable()
    for name, risk in (("a", 0.2), ("b", 0.9), ("c", 0.5)):
        table.apply(score(name, 0, risk))
    assert shown(table, limit=2, first=2) == ["a"]
    assert shown(table, limit=2, first=4) == []


def test_a_later_score_counts_and_an_earlier_one_that_comes_late_does_not() -> None:
    table = LiveTable()
    for position, risk in ((0, 0.1), (2, 0.7), (1, 0.9)):
        table.apply(score("a", position, risk))
    (row,) = table.rank(LiveQuery("p")).rows
    assert (row.risk, list(row.trail)) == (0.7, [0.1, 0.7])


def test_a_record_read_before_the_newest_score_does_not_hide_it() -> None:
    table = LiveTable()
    table.apply(score("a", 4, 0.8))
    table.put(ref("a"), record("a", summary=RunSummary(steps=2, risk=0.1, max_score=1.0)))
    assert table.rank(LiveQuery("p")).rows[0].risk == 0.8


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"state": "all"}, ["big", "mine", "over"]),
        ({}, ["big", "mine"]),
        ({"state": "succeeded"}, ["over"]),
        ({"agent": "amy"}, ["mine"]),
        ({"monitor": "m2"}, ["mine"]),
        ({"search": "IN"}, ["mine"]),
        ({"min_risk": 0.5}, ["big"]),
        ({"state": "all", "sort": "newest"}, ["over", "mine", "big"]),
    ],
)
def test_filters_and_orders(asked: dict[str, Any], names: list[str]) -> None:
    table = LiveTable()
    table.put(ref("big"), record("big", created_ms=1, monitor_id="m1"))
    table.put(ref("mine"), record("mine", created_ms=2, agent="amy", monitor_id="m2"))
    table.put(ref("over"), record("over", created_ms=3, success=True))
    for name, risk in (("big", 0.9), ("mine", 0.4), ("over", 0.1)):
        table.apply(score(name, 0, risk))
    assert shown(table, **asked) == names


def test_beyond_its_bound_the_run_that_was_touched_longest_ago_goes() -> None:
    table = LiveTable(most=2)
    for name in ("a", "b", "a", "c"):
        table.apply(score(name, 1, 0.5))
    assert sorted(shown(table)) == ["a", "c"]


def test_a_run_that_is_gone_leaves() -> None:
    table = LiveTable()
    table.apply(score("a", 0, 0.5))
    table.put(ref("a"), None)
    assert shown(table) == []
