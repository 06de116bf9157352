"""What `forewarn train` and `forewarn inspect` print of a bundle's promises."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from forewarn.commands.reporting import print_manifest
from monitors.bundle import CalibrationRecord, CostRecord, Manifest, TrainingRecord
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
