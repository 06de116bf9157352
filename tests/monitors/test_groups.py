"""Whose threshold a run has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitors import Monitor
from monitors.bundle.manifest import GroupRecord, GroupsRecord, Manifest
from monitors.groups import NO_NAME, OTHERS, build_rules
from monitors.run_state import RunState
from tests.tiny_bundle import TinyBundle


def record(threshold: float | None) -> GroupRecord:
    return GroupRecord(success_maxima=[], threshold=threshold, release=threshold)


GROUPS = GroupsRecord(by="agent", needed=9, own={"zoe": record(-9.0), "amy": record(9.0)}, others=record(None))


@pytest.fixture
def grouped(monitor: Monitor) -> Monitor:
    """A monitor that alerts at once in runs of zoe, and never in those of amy, of others or of nobody."""
    manifest = monitor.manifest.model_copy(update={"groups": GROUPS, "threshold": 8.0, "release": 8.0})
    return Monitor(manifest, monitor.adapter, monitor.featuriser, monitor.scorer)


def alert_thresholds(monitor: Monitor, group: str, tiny: TinyBundle) -> list[float]:
    session = monitor.session(group)
    verdicts = [session.step(raw) for raw in tiny.corpus.runs[0]]
    return [verdict.alert.threshold for verdict in verdicts if verdict.alert is not None]


def test_a_run_has_the_threshold_of_its_group(grouped: Monitor) -> None:
    thresholds = {name: grouped.groups.rules[grouped.groups.find(name)].threshold for name in ("amy", "zoe", "new", "")}

    assert thresholds == {"amy": 9.0, "zoe": -9.0, "new": float("inf"), "": 8.0}


def test_an_alert_says_the_threshold_of_its_group(grouped: Monitor, tiny: TinyBundle) -> None:
    assert alert_thresholds(grouped, "zoe", tiny) == [-9.0]
    assert [alert_thresholds(grouped, name, tiny) for name in ("amy", "new", "")] == [[], [], []]


def test_numbers_of_groups_follow_from_their_names_alone(grouped: Monitor) -> None:
    turned = GROUPS.model_copy(update={"own": dict(reversed(GROUPS.own.items()))})
    manifest: Manifest = grouped.manifest.model_copy(update={"groups": turned})

    assert build_rules(manifest) == grouped.groups
    assert (grouped.groups.find(""), grouped.groups.find("new")) == (NO_NAME, OTHERS)


def test_a_bundle_with_one_threshold_has_it_for_every_group(monitor: Monitor, tiny: TinyBundle) -> None:
    assert monitor.initial_state("zoe").group == NO_NAME
    assert alert_thresholds(monitor, "zoe", tiny) == alert_thresholds(monitor, "", tiny)


def test_a_run_keeps_its_group_through_steps_and_storage(grouped: Monitor, tiny: TinyBundle) -> None:
    state = grouped.initial_state("zoe")
    for raw in tiny.corpus.runs[0]:
        ((state, _),) = grouped.advance([RunState.from_bytes(state.to_bytes())], [raw])

    assert state.group == grouped.groups.find("zoe")
    assert state.standing.episodes == 1


def test_runs_of_different_groups_in_one_batch_have_each_their_own(grouped: Monitor, tiny: TinyBundle) -> None:
    states = [grouped.initial_state(name) for name in ("zoe", "amy", "", "zoe")]
    results = grouped.advance(states, [tiny.corpus.runs[0][0]] * 4)

    assert [verdict.alert is not None for _, verdict in results] == [True, False, False, True]


def test_groups_change_no_score(grouped: Monitor, monitor: Monitor, tiny: TinyBundle) -> None:
    one, other = grouped.session("zoe"), monitor.session()
    for raw in tiny.corpus.runs[0]:
        ours, plain = one.step(raw), other.step(raw)
        assert replace(ours, alert=None, state="") == replace(plain, alert=None, state="")


def test_a_summary_leaves_the_long_lists_of_groups_out(grouped: Monitor) -> None:
    shown = grouped.manifest.summary()["groups"]

    assert shown["own"]["zoe"] == {"threshold": -9.0, "release": -9.0, "successes": 0}
    assert (shown["by"], shown["needed"], shown["others"]["threshold"]) == ("agent", 9, None)
