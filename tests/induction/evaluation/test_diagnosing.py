"""First alerts: when, for whom, and in which runs."""

from __future__ import annotations

import numpy as np
import pytest

from induction.evaluation.diagnosing import (
    GroupDiagnosis,
    RunDiagnosis,
    diagnose_groups,
    diagnose_runs,
    name_ending,
    to_figures,
)
from induction.evaluation.sample import to_sample
from induction.learning.scoring import ScoredRun


def scored(name: str, scores: list[float], *, success: bool) -> ScoredRun:
    """A run of one raw step a turn."""
    n = len(scores)
    values = np.array(scores)
    return ScoredRun(
        name, f"task-{name}", success, np.arange(1, n + 1, dtype=np.int32), np.ones(n, np.int32), np.ones(n, bool),
        values, values, values,
    )  # fmt: skip


def diagnosed(
    name: str, *, failed: bool, turns: int, alert: int | None, agent: str = "", kind: str = ""
) -> RunDiagnosis:
    return RunDiagnosis(name, name, agent, failed, turns, alert, kind)


def one(groups: list[GroupDiagnosis], by: str, group: str) -> GroupDiagnosis:
    (found,) = [item for item in groups if (item.by, item.group) == (by, group)]
    return found


def test_the_first_score_strictly_above_the_threshold_is_the_alert() -> None:
    runs = [scored("a", [0.1, 0.5, 0.6, 0.2], success=False), scored("b", [0.5, 0.5], success=True)]

    found = diagnose_runs(to_sample(runs, 3, [[0.5]]), np.array([0.5, 0.5]), {"a": "gpt"}, {"a": "ends by itself"})

    assert [run.alert_turn for run in found] == [3, None]
    assert [run.left for run in found] == [0.25, None]
    assert (found[0].agent, found[0].kind, found[1].agent) == ("gpt", "ends by itself", "")


def test_an_alert_at_the_last_turn_catches_nothing() -> None:
    runs = [diagnosed("a", failed=True, turns=4, alert=4), diagnosed("b", failed=True, turns=4, alert=3)]

    everything = one(diagnose_groups(runs), "all", "all runs")

    assert (everything.caught, everything.missed) == (1, 1)
    assert to_figures(runs)["first_alert_at_last_turn"] == 1
    assert everything.mean_left == everything.recall * 0.5 == 0.25  # type: ignore[operator]


def test_the_four_counts_of_each_group_add_up_to_its_runs() -> None:
    rng = np.random.default_rng(0)
    runs = [
        diagnosed(
            str(place),
            failed=bool(rng.random() < 0.5),
            turns=int(rng.integers(2, 30)),
            alert=int(rng.integers(1, 3)) if rng.random() < 0.4 else None,
            agent=f"agent-{place % 3}",
        )
        for place in range(90)
    ]
    groups = diagnose_groups(runs)

    for by in ("all", "length", "agent"):
        inside = [group for group in groups if group.by == by]
        assert sum(g.caught + g.missed + g.false_alarms + g.quiet for g in inside) == 90
    assert len([group for group in groups if group.by == "length"]) == 3
    assert {group.group for group in groups if group.by == "agent"} == {"agent-0", "agent-1", "agent-2"}


def test_small_groups_are_counted_together() -> None:
    runs = [diagnosed(str(place), failed=True, turns=5, alert=1, agent="big") for place in range(6)]
    runs += [diagnosed(f"s{place}", failed=False, turns=5, alert=None, agent=f"small-{place}") for place in range(4)]

    groups = diagnose_groups(runs)

    assert {group.group for group in groups if group.by == "agent"} == {"big", "others"}
    assert one(groups, "agent", "others").false_alarm_share == 0.0
    assert one(groups, "agent", "others").recall is None


@pytest.mark.parametrize(
    ("error_now", "answered", "repeats", "kind"),
    [
        (True, True, 9, "ends in an error"),
        (False, True, 3, "goes round in circles"),
        (False, False, 0, "ends without a reply"),
        (False, True, 2, "ends by itself"),
    ],
)
def test_endings_are_named_by_what_the_trace_shows(error_now: bool, answered: bool, repeats: int, kind: str) -> None:
    assert name_ending(error_now=error_now, answered=answered, repeats=repeats) == kind


def test_quartiles_are_of_the_failures_that_were_caught() -> None:
    runs = [diagnosed(str(turn), failed=True, turns=10, alert=turn) for turn in (2, 4, 6)]
    runs.append(diagnosed("s", failed=False, turns=10, alert=1))

    figures = to_figures(runs)

    assert figures["first_alert_turn_p50"] == 4
    assert figures["first_alert_left_p50"] == pytest.approx(0.6)
    assert figures["first_alert_false"] == 1
