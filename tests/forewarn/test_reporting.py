"""What `forewarn train` and `forewarn inspect` print of a bundle's promises."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from forewarn.commands.reporting import print_manifest
from monitors.bundle import CalibrationRecord, Manifest, TrainingRecord
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
