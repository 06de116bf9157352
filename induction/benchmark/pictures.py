"""The pictures of a benchmark: contenders beside floors on one corpus and split, pooled over the folds of one seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from induction.benchmark.pooling import STEP_INDEX
from induction.evaluation.alerting import ALPHAS, alert_metrics, equal_far_curve, first_alerts
from induction.evaluation.drawing import INK, MUTED, SERIES, WARN, draw_svg
from induction.evaluation.sample import Sample
from monitors.conformal import conformal_threshold

Samples = Mapping[str, Sample]
"""By name, in the order of the colours; the step index among them."""
Curve = Mapping[str, Sequence[tuple[float, float, float | None, float | None]]]
"""By name: (training runs, value, lo, hi)."""


def draw_precision_recall(samples: Samples) -> str:
    """Return precision over recall of "fails within h turns", answered turns."""

    def draw(axes: Axes) -> None:
        grid = np.linspace(0, 1, 201)
        rate = 0.0
        for name, sample in samples.items():
            answered = sample.table.answered
            precision, recall, _ = precision_recall_curve(sample.table.label[answered], sample.risk[answered])
            place = np.searchsorted(-recall, -grid, side="right") - 1
            axes.step(grid, precision[place], where="pre", **_line(name, samples))
            rate = float(sample.table.label[answered].mean())
        axes.axhline(rate, color=WARN, linestyle=":", label="base rate")
        axes.set(xlabel="recall (turns)", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(frameon=False, loc="best")

    return draw_svg(draw)


def draw_recall_against_false_alarms(samples: Samples) -> str:
    """Return recall before the last turn over the realised share of false alarms; dots stand where thresholds from the
    calibration runs came out, dotted lines at what they promised.
    """

    def draw(axes: Axes) -> None:
        grid = np.linspace(0, 0.5, 101)
        for alpha in ALPHAS:
            axes.axvline(alpha, color=WARN, linestyle=":", linewidth=1)
        for name, sample in samples.items():
            ones = np.ones((1, len(sample.runs)))
            recall, _ = equal_far_curve(sample, ones, grid.tolist())
            axes.plot(grid, recall[:, 0], **_line(name, samples))
            if name != STEP_INDEX:
                found = alert_metrics(sample, ones)
                points = [(found[f"far@{alpha:.2f}"][0], found[f"recall@{alpha:.2f}"][0]) for alpha in ALPHAS]
                axes.plot(*zip(*points, strict=True), "o", color=_colour(name, samples), markersize=5)
        axes.set(xlabel="false alarms (share of successful runs)", ylabel="recall before the last turn")
        axes.set(xlim=(0, 0.5), ylim=(0, 1.02))
        axes.legend(frameon=False, loc="lower right")

    return draw_svg(draw)


def draw_lead_time(samples: Samples, alpha: float = 0.10) -> str:
    """Return the share of failures that are caught with at least so much of the run left, at a promised α."""

    def draw(axes: Axes) -> None:
        for name, sample in samples.items():
            left = np.sort(_left(sample, alpha)[sample.failed])
            grid = np.linspace(0.005, 1, 200)
            share = 1 - np.searchsorted(left, grid, side="left") / max(left.size, 1)
            axes.plot(grid, share, **_line(name, samples))
        axes.set(xlabel="share of the run still to come at the first alert", ylabel="failures caught by then")
        axes.set(xlim=(1, 0), ylim=(0, None))
        axes.legend(frameon=False, loc="upper left")

    return draw_svg(draw)


def draw_calibration(samples: Samples) -> str:
    """Return how often runs failed within h turns against the risk that was said, in ten bins of equal size."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="perfect")
        for name, sample in samples.items():
            if sample.calibrated:
                bins = [part for part in np.array_split(np.argsort(sample.risk), 10) if part.size]
                said = [float(sample.risk[part].mean()) for part in bins]
                happened = [float(sample.table.label[part].mean()) for part in bins]
                axes.plot(said, happened, marker="o", markersize=4, **_line(name, samples))
        axes.set(xlabel="risk that was said", ylabel="share that failed within h turns", xlim=(0, 1), ylim=(0, 1))
        axes.legend(frameon=False, loc="upper left")

    return draw_svg(draw)


def draw_learning_curve(curves: Curve, ylabel: str) -> str:
    """Return a figure over the number of training runs, with its intervals."""

    def draw(axes: Axes) -> None:
        for name, points in curves.items():
            runs, values = [point[0] for point in points], [point[1] for point in points]
            colour = _colour(name, curves)
            axes.plot(runs, values, marker="o", markersize=4, color=colour, label=name, linewidth=1.8)
            known = [(point[0], point[2], point[3]) for point in points if point[2] is not None]
            if known:
                places, lows, highs = zip(*known, strict=True)
                axes.fill_between(places, lows, highs, color=colour, alpha=0.12, linewidth=0)
        axes.set_xscale("log", base=2)
        ticks = sorted({round(point[0]) for points in curves.values() for point in points})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set(xlabel="training runs", ylabel=ylabel)
        axes.legend(frameon=False, loc="lower right")

    return draw_svg(draw)


def draw_new_beside_known(values: Mapping[str, Mapping[str, Sequence[tuple[float, float, float]]]], ylabel: str) -> str:
    """Return a figure on new and on known tasks side by side; values: corpus → monitor → [(value, lo, hi) of new, of
    known].
    """
    names = list(dict.fromkeys(name for monitors in values.values() for name in monitors))

    def draw(axes: Axes) -> None:
        step = 0.8 / (2 * len(names))
        for place, monitors in enumerate(values.values()):
            for number, name in enumerate(names):
                for which, (value, low, high) in enumerate(monitors.get(name, ())):
                    x = place - 0.4 + step * (2 * number + which + 0.5)
                    colour = _colour(name, dict.fromkeys(names))
                    axes.bar(x, value, width=step * 0.9, color=colour, alpha=0.45 if which == 0 else 1.0, linewidth=0)
                    axes.plot([x, x], [low, high], color=INK, linewidth=0.9)
        for name in names:
            axes.plot([], [], "s", color=_colour(name, dict.fromkeys(names)), label=name)
        axes.plot([], [], "s", color=MUTED, alpha=0.45, label="pale: new tasks, full: known tasks")
        axes.set_xticks(range(len(values)), list(values))
        axes.set(ylabel=ylabel)
        axes.grid(visible=False, axis="x")
        top = axes.get_ylim()[1]
        axes.set_ylim(0, top * (1.1 + 0.07 * (len(names) + 1)))
        axes.legend(frameon=False, loc="upper left", ncols=2)

    return draw_svg(draw, (max(5.2, 2.2 * len(values)), 3.6))


def _left(sample: Sample, alpha: float) -> NDArray[np.float64]:
    """[R] share of the run left at its first alert in time, else 0."""
    left = np.zeros(len(sample.runs))
    for chosen, maxima in sample.calibrations():
        turns = first_alerts(sample, chosen, np.array([conformal_threshold(maxima, alpha)]))[:, 0]
        last = sample.last[chosen]
        left[chosen] = np.where(turns >= 0, (last - turns) / np.maximum(last, 1), 0.0)
    return left


def _colour(name: str, names: Mapping[str, object]) -> str:
    if name == STEP_INDEX:
        return MUTED
    monitors = [one for one in names if one != STEP_INDEX]
    return SERIES[monitors.index(name) % len(SERIES)]


def _line(name: str, names: Mapping[str, object]) -> dict[str, Any]:
    if name == STEP_INDEX:
        return {"color": MUTED, "linewidth": 1.4, "linestyle": "--", "label": "step index alone"}
    return {"color": _colour(name, names), "linewidth": 1.8, "label": name}
