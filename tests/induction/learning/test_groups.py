"""Thresholds of groups of runs: a promise within each."""

from __future__ import annotations

import math

import numpy as np
import pytest

from induction.errors import NoGroupsError
from induction.learning.groups import group_thresholds
from induction.learning.scoring import ScoredRun
from monitors.bundle.manifest import GroupsRecord
from monitors.conformal import conformal_threshold, fewest_runs


def scored(group: str, score: float, *, success: bool = True, turn: int = 1) -> ScoredRun:
    """Return a run of one raw step."""
    one, scores = np.array([turn], np.int32), np.array([score])
    return ScoredRun("r", "t", success, one, one, np.ones(1, np.bool_), scores, scores, scores, group)


def of(group: str, scores: list[float]) -> list[ScoredRun]:
    return [scored(group, score) for score in scores]


def find(groups: GroupsRecord, name: str) -> float:
    threshold = groups.own.get(name, groups.others).threshold
    return math.inf if threshold is None else threshold


def test_a_group_with_enough_runs_has_the_conformal_threshold_of_its_own_runs() -> None:
    groups = group_thresholds([*of("a", [1.0, 2.0, 3.0, 4.0]), *of("b", [9.0] * 3)], "agent", 0.2)

    assert (groups.by, groups.needed, list(groups.own)) == ("agent", 4, ["a"])
    assert groups.own["a"].success_maxima == [1.0, 2.0, 3.0, 4.0]
    assert groups.own["a"].threshold == 4.0


def test_groups_with_too_few_runs_share_a_threshold_of_their_runs_alone() -> None:
    groups = group_thresholds([*of("a", [9.0] * 20), *of("b", [1.0] * 3), *of("c", [2.0] * 2)], "agent", 0.2)

    assert groups.others.success_maxima == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert groups.others.threshold == 2.0


def test_others_that_are_too_few_together_never_alert() -> None:
    groups = group_thresholds([*of("a", [9.0] * 20), *of("b", [1.0] * 3)], "agent", 0.2)

    assert (groups.others.threshold, groups.others.release) == (None, None)


def test_a_group_with_just_enough_runs_counts_among_the_others_too() -> None:
    groups = group_thresholds([*of("a", [9.0] * 4), *of("b", [1.0])], "agent", 0.2)

    assert list(groups.own) == ["a"]
    assert groups.others.success_maxima == [1.0, 9.0, 9.0, 9.0, 9.0]


def test_failed_runs_and_runs_without_a_group_set_no_threshold() -> None:
    runs = [*of("a", [1.0] * 5), *of("", [7.0] * 9), scored("a", 9.0, success=False)]

    assert group_thresholds(runs, "agent", 0.2).own["a"].success_maxima == [1.0] * 5
    assert group_thresholds(runs, "agent", 0.2).others.success_maxima == []


def test_a_confident_promise_needs_more_runs_of_a_group() -> None:
    runs = of("a", list(np.linspace(0, 1, 15)))

    assert list(group_thresholds(runs, "agent", 0.2).own) == ["a"]
    assert group_thresholds(runs, "agent", 0.2, 0.99).own == {}
    assert group_thresholds(runs, "agent", 0.2, 0.99).needed == fewest_runs(0.2, 0.99) == 21


def test_the_statistic_is_the_score_less_its_turns_offset() -> None:
    runs = [scored("a", 5.0, turn=turn) for turn in (1, 1, 2, 2)]

    assert group_thresholds(runs, "agent", 0.2, None, 0.5, [0.0, 3.0, 1.0]).own["a"].success_maxima == [2, 2, 4, 4]


def test_runs_without_any_group_are_an_error_that_names_the_field() -> None:
    with pytest.raises(NoGroupsError, match="'agent'"):
        group_thresholds(of("", [1.0] * 9), "agent", 0.2)


LEVELS = {"loud": 2.0, "quiet": 0.0, "rare": 1.0, "rarer": 3.0}
SHARES = [0.3, 0.6, 0.06, 0.04]


def draw(rng: np.random.Generator, runs: int) -> list[ScoredRun]:
    """Return successful runs of agents whose scores lie at different levels."""
    names = rng.choice(list(LEVELS), runs, p=SHARES)
    return [scored(str(name), float(rng.normal(LEVELS[name]))) for name in names]


def test_one_threshold_for_all_breaks_the_promise_within_a_group_and_groups_own_keep_it() -> None:
    rng, alpha, draws = np.random.default_rng(0), 0.1, 400
    shares: dict[tuple[str, str], list[float]] = {}
    for _ in range(draws):
        setting, new = draw(rng, 100), draw(rng, 400)
        groups = group_thresholds(setting, "agent", alpha)
        pooled = conformal_threshold([float(run.score.max()) for run in setting], alpha)
        for part in ("loud", "quiet", "others", "all"):
            members = {"others": {"rare", "rarer"}, "all": set(LEVELS)}.get(part, {part})
            runs = [run for run in new if run.group in members]
            by_group = [run.score.max() > find(groups, run.group) for run in runs]
            shares.setdefault((part, "own"), []).append(float(np.mean(by_group)))
            shares.setdefault((part, "pooled"), []).append(float(np.mean([run.score.max() > pooled for run in runs])))
    noise = {key: 3 * float(np.std(values)) / math.sqrt(draws) for key, values in shares.items()}
    mean = {key: float(np.mean(values)) for key, values in shares.items()}

    assert mean["loud", "pooled"] > 2 * alpha
    assert mean["quiet", "pooled"] < alpha / 4
    assert mean["others", "pooled"] > 2 * alpha
    assert mean["all", "pooled"] <= alpha + noise["all", "pooled"]
    for part in ("loud", "quiet", "others", "all"):
        assert mean[part, "own"] <= alpha + noise[part, "own"]
    assert mean["loud", "own"] > alpha - 0.05
