"""Results as tables that a person reads: means and spread over seeds, intervals, differences, the promise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from induction.benchmark.plan import Corpus
from induction.benchmark.pooling import FLOORS
from induction.benchmark.results import Row

Cells = list[str]

HEADLINES = (
    "auprc_h3_answered",
    "auprc_h3",
    "ece_h3",
    "auroc_fail_3",
    "auroc_fail_5",
    "auroc_fail_10",
    "far@0.10",
    "recall@0.10",
    "left@0.10",
    "recall@0.05",
    "recall@0.20",
    "recall_at_far@0.10",
    "left_at_far@0.10",
)
WITHIN = tuple(
    f"{name}_fail_{k}{group}"
    for k in (3, 5, 10)
    for name, group in (("auroc", ""), ("ap", ""), ("auroc", "_within_agent"), ("auroc", "_within_task"))
)


@dataclass(frozen=True, slots=True)
class Table:
    """A title and lines of text cells, the first line a header."""

    title: str
    header: Cells
    lines: list[Cells]

    def to_markdown(self) -> list[str]:
        """Return it as lines of Markdown."""
        rows = (self.header, ["---"] * len(self.header), *self.lines)
        return [f"**{self.title}**", "", *("| " + " | ".join(cells) + " |" for cells in rows), ""]


def to_tables(rows: Sequence[Row], differences: Sequence[Row], corpus: Corpus, split: str) -> list[Table]:
    """Return the tables of a corpus and split: figures, differences, failure at a turn, the promise; none before it has
    rows.
    """
    place = (corpus.name, split)
    rows = [
        row for row in rows if (row["corpus"], row["split"]) == place and row["fold"] is None and "share" not in row
    ]
    if not rows:
        return []
    title = f"{corpus.name}, {'tasks never seen' if split == 'new' else 'tasks that repeat'}"
    tables = [Table(f"{title} ({_describe(rows)})", ["monitor", *HEADLINES], _lines(rows, HEADLINES))]
    mine = [row for row in differences if (row["corpus"], row["split"]) == place]
    if mine:
        tables.append(difference_table(title, mine))
    failures = _lines(rows, WITHIN, with_folds=True)
    tables.append(Table(f"{title}: telling failures after turn k", ["monitor", *WITHIN], failures))
    return [*tables, promise_table(title, rows)]


def promise_table(title: str, rows: Sequence[Row]) -> Table:
    """Return the promise: mean false alarms over the random halvings of tasks, and what was expected."""
    header = ["monitor", "α", "mean false alarms", "95 % of halvings", "runs", "tasks", "expected in 90 %"]
    lines = []
    for name in _names(rows):
        values = _by_metric(rows, name)
        for alpha in ("0.05", "0.10", "0.20"):
            if promised := values.get(f"promise_far@{alpha}"):
                expected = values[f"promise_expected@{alpha}"]
                far = float(np.mean([row["value"] for row in promised]))
                lines.append(
                    [
                        name,
                        alpha,
                        f"{far:.3f}{'' if far <= float(alpha) + 0.01 else ' (broken)'}",
                        _span(promised),
                        f"{np.mean([row['value'] for row in values['promise_runs']]):.0f}",
                        f"{np.mean([row['value'] for row in values['promise_tasks']]):.0f}",
                        _span(expected),
                    ]
                )
    return Table(f"{title}: the promise, over 500 random halvings of the tasks", header, lines)


def difference_table(title: str, rows: Sequence[Row]) -> Table:
    """Return paired differences of the mean over seeds (of the one seed, if there is one), with their intervals."""
    metrics = ("auprc_h3_answered", "auroc_fail_5", "recall@0.10", "recall_at_far@0.10", "left_at_far@0.10")
    seeds = {row["seed"] for row in rows}
    wanted = None if None in seeds else min(seeds)
    groups: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row["seed"] == wanted:
            groups.setdefault(f"{row['preset']} − {row['minus']}", {})[row["metric"]] = row
    lines = [[pair, *(_difference(values.get(metric)) for metric in metrics)] for pair, values in groups.items()]
    return Table(f"{title}: paired differences, 95 % interval over tasks (bold: above zero)", ["", *metrics], lines)


def _lines(rows: Sequence[Row], metrics: Sequence[str], *, with_folds: bool = False) -> list[Cells]:
    lines = []
    for name in _names(rows):
        values = _by_metric(rows, name)
        cells = []
        for metric in metrics:
            folds = values.get(f"{metric.replace('ap_', 'auroc_')}_folds") if with_folds else None
            counted = f" ({np.mean([row['value'] for row in folds]):g} folds)" if folds else ""
            cells.append(_cell(values.get(metric, [])) + (counted if values.get(metric) else ""))
        lines.append([name, *cells])
    return lines


def _names(rows: Iterable[Row]) -> list[str]:
    """Return the monitors in the order of the rows, floors last."""
    names = list(dict.fromkeys(to_name(row) for row in rows))
    return [name for name in names if name not in FLOORS] + [name for name in names if name in FLOORS]


def to_name(row: Row) -> str:
    """Return how a row's monitor is called: its preset, with its head; or the floor."""
    return str(row["preset"]) if row["head"] is None else f"{row['preset']} ({row['head']})"


def _by_metric(rows: Iterable[Row], name: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if to_name(row) == name:
            found.setdefault(row["metric"], []).append(row)
    return found


def _describe(rows: Sequence[Row]) -> str:
    first: dict[str, float] = {}
    for row in rows:
        first.setdefault(row["metric"], row["value"])
    return (
        f"{first['runs']:.0f} runs of {first['tasks']:.0f} tasks, {first['turns']:.0f} turns, "
        f"{100 * first['failures'] / first['runs']:.0f} % fail"
    )


def _cell(rows: Sequence[Row]) -> str:
    """Mean ± sd over seeds, or one seed's value with its interval."""
    if not rows:
        return "–"
    values = [row["value"] for row in rows]
    if len(values) > 1 and np.ptp(values) > 0:
        return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    return f"{values[0]:.3f}" + (
        "" if len(values) > 1 or rows[0]["lo"] is None else f" [{rows[0]['lo']:.2f}, {rows[0]['hi']:.2f}]"
    )


def _span(rows: Sequence[Row]) -> str:
    ends = [(row["lo"], row["hi"]) for row in rows if row["lo"] is not None]
    if not ends:
        return "–"
    low, high = np.mean(ends, axis=0)
    return f"{low:.3f} … {high:.3f}"


def _difference(row: Row | None) -> str:
    if row is None:
        return "–"
    text = f"{row['value']:+.3f}" + ("" if row["lo"] is None else f" [{row['lo']:+.3f}, {row['hi']:+.3f}]")
    return f"**{text}**" if row["lo"] is not None and row["lo"] > 0 else text
