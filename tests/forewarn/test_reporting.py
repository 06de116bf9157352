"""What `forewarn train` and `forewarn inspect` print of a bundle's promises."""

from __future__ import annotations

from math import nan
from pathlib import Path

import orjson
import pytest

from forewarn.commands.reporting import TrainingReporter, print_manifest, to_duration
from induction.learning.progress import Countdown, EpochReport, NoProgress
from monitors.bundle import CalibrationRecord, CostRecord, Manifest, TrainingRecord
from monitors.bundle.manifest import GroupRecord, GroupsRecord
from monitors.calibration import PlattMap
from monitors.conformal import promise


@pytest.fixture
def manifest() -> Manifest:
    """The manifest of a bundle calibrated on 30 successful runs: enough for 0.05, too few for 0.01."""
    maxima = [number / 10 for number in range(30)]
    own = promise(maxima, 0.1)
    platt = PlattMap(slope=1.0, intercept=0.0)
    return Manifest(
        name="desk",
        created="2026-01-01T00:00:00+00:00",
        forewarn="0",
        horizon=3,
        alpha=0.1,
        threshold=own.threshold,
        release=0.0,
        finest_alpha=1 / 31,
        realised_range=own.realised_range,
        n_symbols=16,
        shape_version=1,
        training=TrainingRecord(
            corpus="desk", runs=9, tasks=9, failures=4, preset="default", head="gru", seed=1, epochs=2
        ),
        calibration=CalibrationRecord(
            runs=50,
            tasks=12,
            success_maxima=maxima,
            success_turns=[5] * 30,
            risk=platt,
            failure=platt,
            base_risk=0.2,
        ),
    )


def test_each_rate_is_shown_with_its_threshold_or_what_it_needs(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    print_manifest(Path("desk"), manifest, as_json=False)
    printed = capsys.readouterr().out

    assert "n = 30 successful runs, 12 tasks; finest alpha supported 0.0323" in printed
    rows = [line.split() for line in printed.splitlines() if line.startswith("  0.")]
    assert [row[0] for row in rows] == ["0.01", "0.05", "0.1", "0.2"]
    assert rows[0][1:] == ["never", "alerts:", "needs", "n", ">=", "99"]
    assert [row[1] for row in rows[1:]] == ["2.900", "2.700", "2.400"]
    assert [row[-2:] == ["this", "bundle"] for row in rows] == [False, False, True, False]


def test_json_carries_the_same_promises(manifest: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
    print_manifest(Path("desk"), manifest, as_json=True)
    promises = orjson.loads(capsys.readouterr().out)["promises"]

    assert [one["alpha"] for one in promises] == [0.01, 0.05, 0.1, 0.2]
    assert [one["threshold"] for one in promises] == [None, 2.9, 2.7, 2.4]
    assert promises[0]["needs"] == 99


def test_in_a_pipe_parts_are_told_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 0.0, *(4.0 * number for number in range(1, 20))])
    with TrainingReporter(clock=lambda: next(seconds)) as reporter:
        reporter.stage("Asking trees")
        for done in range(1, 7):
            reporter.part(done, 9, 200.0)

    assert capsys.readouterr().err.splitlines() == [
        "Asking trees",
        "  3 of 9, about 3 min left",
        "  6 of 9, about 3 min left",
    ]


def test_an_epoch_tells_the_figures_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingReporter() as reporter:
        reporter.epoch(EpochReport(1, 0.5, 0.25, 0.75, 30.0, 40))
        reporter.epoch(EpochReport(6, 0.5, nan, 0.75, 30.0, 40))
        reporter.epoch(EpochReport(11, 0.5, nan, nan, 7200.0, 40))

    assert capsys.readouterr().err.splitlines() == [
        "  epoch 1 of 40: loss 0.500, validation loss 0.250, validation AUPRC 0.750, 30 s left at most",
        "  epoch 6 of 40: loss 0.500, validation AUPRC 0.750, 30 s left at most",
        "  epoch 11 of 40: loss 0.500, 2.0 h left at most",
    ]


def test_a_quiet_reporter_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingReporter(quiet=True) as reporter:
        reporter.stage("Asking trees")
        reporter.note("a note")
        reporter.epoch(EpochReport(1, 0.5, nan, nan, 3.0, 40))

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "0 s"), (99, "99 s"), (150, "2 min"), (9000, "2.5 h")])
def test_times_are_told_as_people_say_them(seconds: float, said: str) -> None:
    assert to_duration(seconds) == said


class Parts(NoProgress):
    """Keeps the parts that it heard of."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int, float]] = []

    def part(self, done: int, total: int, seconds_left: float) -> None:
        self.heard.append((done, total, seconds_left))


def test_the_time_left_is_that_of_the_parts_made_scaled_by_their_costs() -> None:
    parts, seconds = Parts(), iter([0.0, 3.0, 7.0])
    countdown = Countdown(parts, (9.0, 1.0, 1.0, 4.0), clock=lambda: next(seconds))

    # The first was remembered: it took no time, and tells nothing of the others'.
    countdown.skip_to(1)
    countdown.end_part()
    countdown.end_part()

    assert parts.heard == [(2, 4, 15.0), (3, 4, 14.0)]


def test_a_threshold_by_turn_is_shown_at_early_turns_and_from_where_it_stays(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    by_turn = manifest.model_copy(update={"offsets": [-1.0, -0.8, -0.5, -0.25, 0.0]})
    print_manifest(Path("desk"), by_turn, as_json=False)

    assert "1.900 at turn 1, 2.450 at turn 3, 2.700 from turn 4 on" in capsys.readouterr().out


def test_groups_are_shown_with_what_their_thresholds_rest_on(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"gpt": GroupRecord(success_maxima=[0.5] * 20, threshold=0.5, release=0.0)}
    others = GroupRecord(success_maxima=[0.1] * 3, threshold=None, release=None)
    groups = GroupsRecord(by="model", needed=9, own=own, others=others)
    print_manifest(Path("desk"), manifest.model_copy(update={"groups": groups}), as_json=False)
    printed = capsys.readouterr().out

    assert "by model: the promise holds within each that has 9 successful runs or more" in printed
    assert "  gpt     n = 20, threshold 0.500" in printed
    assert "  others  n = 3, never alerts: needs n >= 9" in printed


def test_what_a_step_costs_is_shown_and_warned_of_where_it_is_above_its_line(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    cost = CostRecord(graph_bytes=1 << 20, state_bytes=2_048, step_us_at_64=41.5, step_us_alone=150.0)
    print_manifest(Path("desk"), manifest.model_copy(update={"cost": cost}), as_json=False)
    printed = capsys.readouterr().out

    assert "graph 1.0 MB (at most 32), 2.0 KB of state a run" in printed
    assert "41.5 µs of processor time at batch 64 (line: 30), 150 µs alone (line: 1000)" in printed
    assert printed.count("warning") == 1
    assert "a step at batch 64 took 41.5 µs of processor time, more than 30" in printed


def test_a_bundle_from_before_costs_were_measured_shows_none(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    print_manifest(Path("desk"), manifest, as_json=False)

    assert "processor time" not in capsys.readouterr().out
