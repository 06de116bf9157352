"""What a monitor was measured at before it served, beside what live runs say: figures and reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitors.bundle import Manifest
from monitors.evaluation_record import EvaluationRecord
from monitors.reliability import Reliability, ReliabilityBin, ReliabilityTable
from service.pages.reliability_chart import Chart, Series, to_series

_FIGURES = (
    ("auprc_h3_answered", "Average precision of the risk within h turns, answered turns"),
    ("auprc_h3", "… all turns"),
    ("auroc_h3", "… area under ROC"),
    ("ece_h3", "Calibration error of the same (0 is best)"),
    ("auroc_fail_3", "Failing against succeeding runs, told apart after turn 3 (area under ROC)"),
    ("auroc_fail_5", "… after turn 5"),
    ("auroc_fail_10", "… after turn 10"),
    ("ceiling_auprc_h3_answered", "Average precision that no score could pass, answered turns (estimate)"),
    ("automaton_auprc_h3_answered", "Average precision by the audit's automaton alone, answered turns"),
)
_AT_ALPHA = (
    ("far", "Successes alerted"),
    ("recall", "Failures alerted before their last turn"),
    ("left", "Mean share of the run left at those alerts"),
)
_ALPHAS = ("0.05", "0.10", "0.20")


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure. None: not measured."""

    name: str
    title: str
    value: float
    low: float | None
    high: float | None
    clock: float | None
    """The floor that knows the turn and nothing else."""


@dataclass(frozen=True, slots=True)
class ServedFigures:
    """The evaluation's figures at the thresholds that are served, as live runs are counted."""

    false_alarms: float | None
    recall: float | None
    left: float | None
    """Median share of the run left at the first alert, of failures caught before their last turn."""


def to_rows(figures: Mapping[str, float]) -> list[FigureRow]:
    """The figures that a reader asks for first, in order."""
    wanted = list(_FIGURES)
    for alpha in _ALPHAS:
        wanted += [(f"{name}@{alpha}", f"{title}, at a promise of {float(alpha):.0%}") for name, title in _AT_ALPHA]
    return [
        FigureRow(
            name,
            title,
            figures[name],
            figures.get(f"{name}_lo"),
            figures.get(f"{name}_hi"),
            figures.get(f"floor_step_index_{name}"),
        )
        for name, title in wanted
        if name in figures
    ]


def to_served(evaluation: EvaluationRecord | None) -> ServedFigures:
    """What the evaluation came to at the served thresholds; all None without one."""
    figures = {} if evaluation is None else evaluation.figures
    caught, late = figures.get("first_alert_caught"), figures.get("first_alert_at_last_turn", 0.0)
    failures = figures.get("failures", 0.0)
    successes = figures.get("runs", 0.0) - failures
    false = figures.get("first_alert_false")
    return ServedFigures(
        false / successes if false is not None and successes > 0 else None,
        (caught + late) / failures if caught is not None and failures > 0 else None,
        figures.get("first_alert_left_p50"),
    )


def to_charts(
    manifest: Manifest,
    trained: Reliability | None,
    evaluation: EvaluationRecord | None,
    quality: Mapping[str, Any] | None,
) -> list[Chart]:
    """The reliability of the failure probability, with live runs in it, and of the risk. Measured: by the evaluation,
    else by the calibration runs; a chart without dots is left out."""
    measured = trained if evaluation is None else evaluation.reliability
    title = "calibration runs" if evaluation is None else "evaluation"

    def of(table: ReliabilityTable) -> Series:
        return to_series("measured", title, table.runs, table.error, table.bins)

    live = _live_of(quality)
    failure = [of(measured.failure)] if measured else []
    charts = [Chart("failure", "Failing in the end", failure + ([live] if live else []))]
    if measured:
        charts.append(Chart("risk", f"Failing within {manifest.horizon} turns", [of(measured.risk)]))
    return [chart for chart in charts if any(series.dots for series in chart.series)]


def _live_of(quality: Mapping[str, Any] | None) -> Series | None:
    if not quality:
        return None
    calibration = quality["recent"]["calibration"]
    raw_bins: Sequence[Mapping[str, Any] | None] = calibration["bins"]
    bins = [None if one is None else ReliabilityBin.model_validate(one) for one in raw_bins]
    return to_series("live", "live runs", calibration["runs"], calibration["error"], bins) if any(bins) else None
