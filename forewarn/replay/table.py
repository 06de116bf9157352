"""The table that a replay ends with: for people on a terminal, as plain lines in a pipe, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from forewarn.replay.figures import Figures, to_figures
from forewarn.replay.playing import Replayed
from forewarn.replay.service import ActiveMonitor


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what, how much, and how it was measured."""

    name: str
    value: str
    note: str = ""


def to_rows(replayed: Replayed, monitor: ActiveMonitor) -> list[Row]:
    """The table's lines."""
    figures = to_figures(replayed.runs, monitor.promise)
    return [
        Row("runs", f"{figures.runs:,}", f"{replayed.steps:,} steps, monitor {monitor.monitor_id}"),
        Row("failures", f"{figures.failures:,}", _share(figures.failures, figures.runs)),
        Row(
            "caught before the end",
            f"{figures.caught:,}",
            f"{_percent(figures.caught_share)} of failures: first alert strictly before the last turn",
        ),
        Row("share of the run left", _percent(figures.left_share), "at the first alert, mean over the failures caught"),
        Row("false alarms", f"{figures.false_alarms:,}", f"{_percent(figures.false_alarm_share)} of successful runs"),
        Row("promised at most", _percent(figures.promise.alpha), _promise_note(figures)),
        Row(
            "events per second",
            f"{replayed.events_per_s:,.0f}",
            f"{replayed.seconds:.1f} s from the first request to the last answer"
            + (f", {replayed.overload_s:.1f} s of waiting for an overloaded service" if replayed.overload_s else ""),
        ),
        *_latency_rows(replayed),
    ]


def to_document(replayed: Replayed, monitor: ActiveMonitor) -> dict[str, Any]:
    """The same as a JSON object, with every run."""
    figures = to_figures(replayed.runs, monitor.promise)
    latency = replayed.event_to_score
    interval = figures.false_alarm_range
    return {
        "monitor_id": monitor.monitor_id,
        "runs": figures.runs,
        "failures": figures.failures,
        "caught": figures.caught,
        "caught_share": figures.caught_share,
        "left_share": figures.left_share,
        "false_alarms": figures.false_alarms,
        "false_alarm_share": figures.false_alarm_share,
        "alpha": figures.promise.alpha,
        "calibration_successes": figures.promise.successes,
        "promised_range": list(interval) if interval else None,
        "steps": replayed.steps,
        "seconds": round(replayed.seconds, 3),
        "events_per_s": round(replayed.events_per_s, 1),
        "event_to_score_p50_ms": round(latency.p50_ms, 3) if latency else None,
        "event_to_score_p99_ms": round(latency.p99_ms, 3) if latency else None,
        "event_to_score_samples": latency.samples if latency else 0,
        "late_scores": replayed.late_scores,
        "played": [
            {
                "run": run.run,
                "run_id": run.run_id,
                "task": run.task,
                "success": run.success,
                "steps": run.steps,
                "turns": run.last_turn,
                "alert_turn": run.alert_turn,
            }
            for run in replayed.runs
        ],
    }


def print_rows(console: Console, rows: list[Row], title: str = "") -> None:
    """Prints the table: ruled on a terminal, one plain line a row elsewhere."""
    if not console.is_terminal:
        for row in rows:
            line = f"{row.name:<24}{row.value:>10}  {row.note}".rstrip()
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(title=title or None, show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for row in rows:
        table.add_row(row.name, row.value, row.note)
    console.print(table)


def _promise_note(figures: Figures) -> str:
    promise, interval = figures.promise, figures.false_alarm_range
    if promise.rank() > promise.successes:
        return f"{promise.successes} calibration successes are too few for this promise: nothing ever alerts"
    if interval is None:
        return "no successful run to hold it to"
    return (
        f"a promise kept exactly gives {_percent(interval[0])} – {_percent(interval[1])} in 95 % of replays of "
        f"{figures.successes} successful runs (Beta-binomial, {promise.successes} calibration successes)"
    )


def _latency_rows(replayed: Replayed) -> list[Row]:
    latency = replayed.event_to_score
    if latency is None:
        return []
    note = f"request sent → score received (?wait=score), on {latency.samples:,} of {replayed.steps:,} steps"
    if replayed.late_scores:
        note += f"; {replayed.late_scores:,} came later than the request waited"
    return [
        Row("event to score, p50", f"{latency.p50_ms:.1f} ms", note),
        Row("event to score, p99", f"{latency.p99_ms:.1f} ms"),
    ]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.1f} %"


def _share(part: int, whole: int) -> str:
    return f"{_percent(part / whole)} of runs" if whole else ""
