"""The pictures of an evaluation, as SVG text that stands inside the page: no file beside it, no network."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from induction.evaluation.alerting import alert_metrics_at, equal_far_curve, first_alerts_at
from induction.evaluation.drawing import ACCENT, INK, MUTED, WARN, draw_svg, to_page_colours
from induction.evaluation.evaluating import Evaluation
from induction.evaluation.sample import Sample, to_step_index
from monitors.bundle import Manifest


def draw_precision_recall(evaluation: Evaluation) -> str:
    """Return precision over recall of the risk within h turns, beside the step index and the base rate.

    Empty where no turn, or every turn, has the label: there is nothing to rank.
    """
    sample, table = evaluation.sample, evaluation.sample.table
    if not 0 < table.label.sum() < table.label.size:
        return ""

    def draw(axes: Axes) -> None:
        for score, label, colour in (
            (sample.risk, "monitor", ACCENT),
            (table.turn.astype(float), "step index alone", MUTED),
        ):
            precision, recall, _ = precision_recall_curve(table.label, score)
            axes.step(recall, precision, where="post", color=colour, label=label, linewidth=1.8)
        axes.axhline(float(table.label.mean()), color=WARN, linestyle=":", label="base rate")
        axes.set(xlabel="recall (turns)", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(frameon=False, loc="upper right")

    return to_page_colours(draw_svg(draw))


def draw_recall_against_false_alarms(
    evaluation: Evaluation, manifest: Manifest, thresholds: NDArray[np.float64]
) -> str:
    """Return recall before the last turn over the realised share of false alarms, for every threshold, with the
    promised share and the served thresholds [R] marked. Empty without runs of both outcomes.
    """
    sample = evaluation.sample
    clock = to_step_index(sample, [[] for _ in sample.success_maxima])
    everybody = np.ones((1, len(sample.runs)))
    grid = np.linspace(0, 1, 101).tolist()

    def draw(axes: Axes) -> None:
        for scored, label, colour in ((sample, "monitor", ACCENT), (clock, "step index alone", MUTED)):
            recall, _ = equal_far_curve(scored, everybody, grid)
            axes.plot(grid, recall[:, 0], color=colour, label=label, linewidth=1.8)
        if np.isfinite(thresholds).any():
            served = alert_metrics_at(sample, everybody, thresholds)
            axes.plot(served["far"], served["recall"], "o", color=WARN, label="served threshold", markersize=7)
        axes.axvline(manifest.alpha, color=WARN, linestyle=":", label=f"promised: at most {manifest.alpha:g}")
        axes.set(
            xlabel="false alarms (share of successful runs)",
            ylabel="recall before the last turn",
            xlim=(0, 1),
            ylim=(0, 1.02),
        )
        axes.legend(frameon=False, loc="lower right")

    has_both = sample.failed.any() and not sample.failed.all() and len(manifest.calibration.success_maxima) > 0
    return to_page_colours(draw_svg(draw)) if has_both else ""


def draw_calibration(evaluation: Evaluation) -> str:
    """Return how often runs failed against the failure probability that was said, over all raw steps, in ten bins of
    equal size.
    """
    said = np.concatenate([run.failure for run in evaluation.runs])
    failed = np.concatenate([np.full(run.turns.size, float(not run.success)) for run in evaluation.runs])
    order = np.argsort(said)
    bins = [part for part in np.array_split(order, 10) if part.size]

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="perfect")
        axes.plot(
            [said[part].mean() for part in bins],
            [failed[part].mean() for part in bins],
            "o-",
            color=ACCENT,
            label="monitor",
        )
        axes.set(xlabel="failure probability that was said", ylabel="share that failed", xlim=(0, 1), ylim=(0, 1))
        axes.legend(frameon=False, loc="upper left")

    return to_page_colours(draw_svg(draw))


def draw_alert_times(sample: Sample, thresholds: NDArray[np.float64]) -> str:
    """Return where in the run the first alerts come by thresholds [R], failed runs above, successful ones below the
    axis. Empty where no run alerts.
    """
    places: dict[bool, list[float]] = {True: [], False: []}
    turns = first_alerts_at(sample, thresholds)
    for number in np.flatnonzero(turns >= 0):
        places[not sample.failed[number]].append(float(turns[number]) / max(int(sample.last[number]), 1))

    def draw(axes: Axes) -> None:
        edges = np.linspace(0, 1, 11)
        for success, colour, sign, label in (
            (False, ACCENT, 1, "failed runs"),
            (True, WARN, -1, "successful runs (false alarms)"),
        ):
            counts, _ = np.histogram(places[success], edges)
            axes.bar(edges[:-1], sign * counts, width=0.09, align="edge", color=colour, label=label)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set(xlabel="share of the run that was over at the first alert", ylabel="runs", xlim=(0, 1))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        axes.legend(frameon=False)

    return to_page_colours(draw_svg(draw)) if (turns >= 0).any() else ""
