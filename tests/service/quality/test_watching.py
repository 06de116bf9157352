"""What a look makes of runs that ended: nothing while they are like the calibration runs, and a flag once they are
not."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from monitors.profile import RunProfile
from service.core.quality.calibration import calibration_of
from service.core.quality.counts import Kind, parse_tally, to_rightness, total
from service.core.quality.finished import BINS, Probabilities
from service.core.quality.intervals import to_share
from service.core.quality.keeper import from_bytes, take, to_bytes
from service.core.quality.promises import promises_of
from service.core.quality.reports import Material, recent_shares, stability_index, to_report
from service.core.quality.watching import Watched
from tests.service.quality.made import N_SYMBOLS, finished, manifest, profile_of, reference_of

LEVEL = 0.01
GOOD, FALSE = Kind(True, False, False, False), Kind(True, False, True, False)


def usual(rng: np.random.Generator) -> RunProfile:
    """A run as they always were: its steps are alike, and alike from run to run by chance alone."""
    steps = int(rng.integers(4, 30))
    leaning = rng.dirichlet([2.0] * N_SYMBOLS)
    return profile_of(
        [int(one) for one in rng.choice(N_SYMBOLS, steps, p=leaning)],
        unknown=int(rng.binomial(steps, 0.05)),
        args=int(rng.binomial(steps, 0.4)),
        new_tools=int(rng.random() < 0.03),
    )


def renamed(rng: np.random.Generator) -> RunProfile:
    """The same with a tool that was renamed: called in most runs."""
    profile = usual(rng)
    calls = profile.steps // 3 if rng.random() < 0.7 else 0
    return RunProfile(profile.steps, profile.unknown, calls, profile.filled, profile.symbols)


def other_symbols(rng: np.random.Generator) -> RunProfile:
    """Runs whose steps mostly have one symbol."""
    return profile_of([3 if rng.random() < 0.8 else 0 for _ in range(int(rng.integers(4, 30)))], args=2)


def test_200_stationary_weeks_raise_no_flag() -> None:
    """Every test at once, on what they all look at, week by week. Three streams at three levels of 0.01 each."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        made = manifest(rng.normal(size=100), reference_of([usual(rng) for _ in range(100)]))
        threshold = sorted(made.calibration.success_maxima)[90]
        state, good, false = Watched(), 0, 0
        for week in range(200):
            alerts = int((rng.normal(size=20) > threshold).sum())
            good, false = good + 20 - alerts, false + alerts
            ended = [finished(usual(rng)) for _ in range(20)]
            take(state, made, {GOOD: good, FALSE: false}, ended, LEVEL, week)
        assert state.flags == {}
        assert state.ended.runs == 4000


@pytest.mark.parametrize(
    ("drifted", "test", "about"), [(renamed, "coverage", "new_tool+"), (other_symbols, "symbols", "symbol_3+")]
)
def test_runs_that_have_changed_are_flagged_with_what_has(drifted: object, test: str, about: str) -> None:
    rng = np.random.default_rng(5)
    made = manifest(rng.normal(size=100), reference_of([usual(rng) for _ in range(100)]))
    state = Watched()
    take(state, made, {}, [finished(usual(rng)) for _ in range(500)], LEVEL, 1)
    assert state.flags == {}
    for batch in range(10):
        take(state, made, {}, [finished(drifted(rng)) for _ in range(10)], LEVEL, 2 + batch)  # type: ignore[operator]
    assert state.flags[test].about == about
    assert state.flags[test].runs <= 600
    before = state.flags[test].at_ms
    take(state, made, {}, [finished(usual(rng)) for _ in range(2000)], LEVEL, 99)
    assert state.flags[test].at_ms == before, "a flag stays"


def test_a_promise_that_is_broken_is_flagged() -> None:
    made = manifest(list(range(100)))
    state = Watched()
    take(state, made, {GOOD: 900, FALSE: 100}, (), LEVEL, 1)
    assert state.flags == {}
    take(state, made, {GOOD: 950, FALSE: 200}, (), LEVEL, 2)
    assert (state.flags["promise"].runs, state.flags["promise"].at_ms) == (1150, 2)


def test_runs_in_which_somebody_intervened_count_nowhere() -> None:
    counts = {GOOD: 8, FALSE: 2, Kind(True, True, True, False): 50, Kind(False, True, True, False): 50}
    assert to_rightness(counts).false_alarms.value == 0.2
    assert to_rightness(counts).precision == to_share(0, 2)
    state = Watched()
    take(state, manifest(list(range(100))), counts, (), LEVEL, 1)
    assert state.flags == {}
    assert total(counts, success=True, intervened=True) == 50


def test_control_runs_are_told_apart_from_runs_that_were_warned_about() -> None:
    counts = {
        Kind(False, False, True, False): 6,
        Kind(True, False, True, False): 6,
        Kind(False, False, True, True): 9,
        Kind(True, False, True, True): 1,
    }
    assert to_rightness(counts, control=False).precision.value == 0.5
    assert to_rightness(counts, control=True).precision.value == 0.9
    assert to_rightness(counts).runs == 22


def test_tallies_of_partitions_read_back_by_project_and_monitor() -> None:
    fields = {"shop:m-1:0:1010": 3, "shop:m-1:2:u001": 4, "desk:m-2:0:0100": 1, "odd": 9}
    assert parse_tally(fields) == {
        ("shop", "m-1"): {Kind(True, False, True, False): 3, Kind(None, False, False, True, 2): 4},
        ("desk", "m-2"): {Kind(False, True, False, False): 1},
    }


def test_nothing_is_said_where_nothing_is_known() -> None:
    report = to_report(Material("m", {}, Watched(), [], manifest([0.0] * 20), LEVEL))
    assert report["all"]["precision"] == {"hits": 0, "of": 0, "value": None, "low": None, "high": None}
    assert report["recent"]["calibration"] == {"runs": 0, "error": None, "excess": None, "z": None, "bins": []}
    assert (report["coverage"], report["symbols"]) == (None, None), "a bundle without a reference: unknown, not 0"
    unknown_bundle = to_report(Material("m", {GOOD: 1}, Watched(), [], None, LEVEL))
    assert (unknown_bundle["promise"], unknown_bundle["counts"]["successes"]) == (None, 1)
    orjson.dumps(report)


def test_a_monitor_that_never_alerts_promises_nothing_that_could_break() -> None:
    (promise,) = promises_of(manifest([0.0] * 5))
    assert promise.urn is None


def test_what_is_kept_reads_back() -> None:
    rng = np.random.default_rng(1)
    made = manifest(rng.normal(size=50), reference_of([usual(rng) for _ in range(50)]))
    state = Watched()
    take(state, made, {GOOD: 50, FALSE: 40}, [finished(usual(rng)) for _ in range(80)], LEVEL, 7)
    assert from_bytes(to_bytes(state)) == state
    assert state.flags
    assert len(to_bytes(state)) < 20_000


def test_recent_shares_are_those_of_the_last_runs() -> None:
    rng = np.random.default_rng(1)
    reference = reference_of([usual(rng) for _ in range(50)])
    state = Watched()
    for profile in [profile_of([0] * 10)] * 400 + [profile_of([1] * 10, unknown=10)] * 200:
        state.add_run(reference, N_SYMBOLS, profile.to_shares(N_SYMBOLS))
    now = recent_shares(state)
    assert now["unknown"] == pytest.approx(1.0)
    assert now["symbol_1"] == pytest.approx(1.0)


def test_the_stability_index_is_0_for_the_same_and_large_for_another_distribution() -> None:
    assert stability_index([0.5, 0.5], [0.5, 0.5]) == 0
    assert (stability_index([0.5, 0.5], [0.05, 0.95]) or 0) > 0.25
    assert stability_index([0.5, 0.5], []) is None


def test_probabilities_that_mean_what_they_say_have_no_excess() -> None:
    rng = np.random.default_rng(2)

    def runs(shift: float) -> list[tuple[Probabilities, bool]]:
        found = []
        for _ in range(600):
            place = int(rng.integers(BINS))
            value = (place + 0.5) / BINS
            weights, sums = [0.0] * BINS, [0.0] * BINS
            weights[place], sums[place] = 1.0, value
            found.append((Probabilities(tuple(weights), tuple(sums)), bool(rng.random() < value + shift)))
        return found

    honest, hopeful = calibration_of(runs(0.0)), calibration_of(runs(0.25))
    assert abs(honest.z or 9) < 3
    assert (honest.error or 1) < 0.08
    assert (hopeful.z or 0) > 5
    assert (hopeful.excess or 0) > 0.1


def test_an_interval_is_wide_at_the_edges_and_holds_what_it_says() -> None:
    share = to_share(0, 10)
    assert (share.value, share.low) == (0.0, 0.0)
    assert share.high == pytest.approx(0.2775, abs=1e-3)
    rng = np.random.default_rng(3)
    held = [
        (share.low or 0) <= 0.1 <= (share.high or 0)
        for share in (to_share(int(rng.binomial(60, 0.1)), 60) for _ in range(2000))
    ]
    assert np.mean(held) > 0.93
