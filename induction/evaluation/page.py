"""One HTML page an evaluation: what was promised, what came out, beside what floors. Opens without a network."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment

from induction.evaluation.drawing import to_css
from induction.evaluation.evaluating import Evaluation
from induction.evaluation.own_thresholds import own_thresholds
from induction.evaluation.plots import (
    draw_alert_times,
    draw_calibration,
    draw_precision_recall,
    draw_recall_against_false_alarms,
)
from monitors.bundle import Manifest

ROWS = (
    ("auprc_h3_answered", "Average precision of the risk within h turns, answered turns"),
    ("auprc_h3", "Average precision of the risk within h turns, all turns"),
    ("auroc_h3", "Area under ROC of the same"),
    ("ece_h3", "Calibration error of the same (0 is best)"),
    ("auroc_fail_3", "Failing against succeeding runs, told apart after turn 3 (area under ROC)"),
    ("auroc_fail_5", "… after turn 5"),
    ("auroc_fail_10", "… after turn 10"),
    ("ap_fail_5", "… after turn 5 (average precision)"),
)


def render_page(evaluation: Evaluation, manifest: Manifest, source: str) -> str:
    """Return the page as HTML text. Everything that came from traces is escaped."""
    template = resources.files("induction.evaluation").joinpath("page.html.j2").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = _figure
    figures, thresholds = evaluation.figures, own_thresholds(manifest, evaluation.runs)
    return environment.from_string(template).render(
        colours=to_css(),
        manifest=manifest,
        figures=figures,
        source=source,
        rows=[_row(figures, name, label) for name, label in ROWS if name in figures],
        alerts=[_alert_row(figures, alpha, manifest.alpha) for alpha in ("0.05", "0.10", "0.20")],
        plots=[
            (
                "Does the risk rank turns?",
                draw_precision_recall(evaluation),
                "No turn here has the label, or every turn has it: there is nothing to rank.",
            ),
            (
                "Recall for the false alarms it costs",
                draw_recall_against_false_alarms(evaluation, manifest, thresholds),
                "This needs runs of both outcomes here, and successful calibration runs.",
            ),
            ("Do probabilities mean what they say?", draw_calibration(evaluation), ""),
            (
                "When does it warn?",
                draw_alert_times(evaluation.sample, thresholds),
                "No run here was alerted by the threshold that is served.",
            ),
        ],
    )


def _row(figures: dict[str, float], name: str, label: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "value": figures[name],
        "lo": figures.get(f"{name}_lo"),
        "hi": figures.get(f"{name}_hi"),
        "floor": figures.get(f"floor_step_index_{name}"),
        "near_end": figures.get(f"floor_near_end_oracle_{name}"),
        "outcome": figures.get(f"floor_outcome_oracle_{name}"),
    }


def _alert_row(figures: dict[str, float], alpha: str, promised: float) -> dict[str, Any]:
    names = ("far", "far_lo", "far_hi", "recall", "recall_lo", "recall_hi", "left")
    row: dict[str, Any] = {"alpha": alpha, "own": float(alpha) == promised}
    for name in names:
        base, _, end = name.partition("_")
        row[name] = figures.get(f"{base}@{alpha}" + (f"_{end}" if end else ""))
    row["expected_lo"], row["expected_hi"] = figures[f"far_expected_lo@{alpha}"], figures[f"far_expected_hi@{alpha}"]
    # Where the expected rate is 0 the calibration runs are too few, and no score is above an infinite threshold.
    row["needed"] = round(1 / float(alpha)) - 1 if row["expected_hi"] == 0 else None
    row["floor_recall"] = figures.get(f"floor_step_index_recall@{alpha}")
    return row


def _figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
