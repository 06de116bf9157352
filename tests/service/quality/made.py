"""Manifests and finished runs of any kind, made here."""

from __future__ import annotations

from collections.abc import Sequence

from monitors.bundle.manifest import CalibrationRecord, Manifest, TrainingRecord
from monitors.bundle.reference import ReferenceRecord, build_reference
from monitors.calibration import PlattMap
from monitors.profile import RunProfile, StepCounter
from service.core.quality.counts import Kind
from service.core.quality.finished import FinishedRun

N_SYMBOLS = 4
PLAIN = PlattMap(slope=1.0, intercept=0.0)
OPEN = Kind(None, False, False, False)


def manifest(maxima: Sequence[float], reference: ReferenceRecord | None = None, alpha: float = 0.1) -> Manifest:
    """The manifest of a monitor with these calibration maxima, and no bundle."""
    calibration = CalibrationRecord(
        runs=len(maxima),
        tasks=1,
        success_maxima=sorted(maxima),
        success_turns=[],
        risk=PLAIN,
        failure=PLAIN,
        base_risk=0.1,
    )
    training = TrainingRecord(corpus="", runs=0, tasks=0, failures=0, preset="", head="", seed=0, epochs=0)
    return Manifest(
        name="made",
        created="",
        forewarn="",
        horizon=3,
        alpha=alpha,
        threshold=0.0,
        release=0.0,
        finest_alpha=0.01,
        realised_range=(0.0, 1.0),
        n_symbols=N_SYMBOLS,
        shape_version=1,
        training=training,
        calibration=calibration,
        reference=reference,
    )


def reference_of(profiles: Sequence[RunProfile]) -> ReferenceRecord:
    """The reference of calibration runs with these profiles."""
    found = build_reference([profile.to_shares(N_SYMBOLS) for profile in profiles], ["refund"])
    assert found is not None
    return found


def profile_of(symbols: Sequence[int], *, unknown: int = 0, args: int = 0, new_tools: int = 0) -> RunProfile:
    """A run with a step a symbol: so many of unknown shape, with `args`, with a new tool."""
    steps = StepCounter()
    for place, symbol in enumerate(symbols):
        filled = 2 | (8 if place < args else 0)
        steps.add(symbol, filled, known=place >= unknown, new_tool=place < new_tools)
    return steps.to_profile()


def finished(profile: RunProfile, kind: Kind = OPEN, ended_ms: int = 0) -> FinishedRun:
    """A run that ended with this profile."""
    return FinishedRun("default", "m", ended_ms, ended_ms, kind, profile, None)
