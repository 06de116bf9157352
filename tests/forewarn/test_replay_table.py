from __future__ import annotations

import io

from rich.console import Console

from forewarn.replay.figures import Latency, PlayedRun, Promise
from forewarn.replay.playing import Replayed
from forewarn.replay.service import ActiveMonitor
from forewarn.replay.table import print_rows, to_document, to_rows

MONITOR = ActiveMonitor("m-1", Promise(0.1, 60), None)


def replayed(late: int = 0) -> Replayed:
    runs = [PlayedRun(f"run {n}", f"t-{n}", "t", n % 2 == 0, 10, 10, 4 if n in {1, 3, 4} else None) for n in range(40)]
    return Replayed(runs, 400, 2.0, Latency(3.14, 9.9, 50), late, 0.0)


def printed(replay: Replayed, **settings: object) -> str:
    out = io.StringIO()
    print_rows(Console(file=out, width=160, **settings), to_rows(replay, MONITOR), "Replay")  # type: ignore[arg-type]
    return out.getvalue()


def test_a_pipe_gets_one_plain_line_a_row() -> None:
    table = {line[:24].strip(): line[24:34].strip() for line in printed(replayed()).splitlines()}
    assert len(table) == 9
    assert (table["runs"], table["failures"], table["caught before the end"]) == ("40", "20", "2")
    assert (table["share of the run left"], table["false alarms"]) == ("60.0 %", "1")
    assert (table["events per second"], table["event to score, p50"]) == ("200", "3.1 ms")


def test_a_terminal_gets_a_ruled_table() -> None:
    assert "─" in printed(replayed(), force_terminal=True)


def test_the_promise_is_told_with_its_range_and_method() -> None:
    line = next(line for line in printed(replayed()).splitlines() if line.startswith("promised at most"))
    assert "10.0 %" in line
    assert "Beta-binomial, 60 calibration successes" in line


def test_scores_that_came_late_are_admitted() -> None:
    assert "3 came later than the request waited" in printed(replayed(late=3))


def test_a_monitor_that_never_alerts_says_why() -> None:
    rows = to_rows(replayed(), ActiveMonitor("m-1", Promise(0.1, 5), None))
    assert any("too few for this promise" in row.note for row in rows)


def test_the_document_holds_every_figure_and_run() -> None:
    document = to_document(replayed(), MONITOR)
    assert (document["caught_share"], document["false_alarm_share"], document["alpha"]) == (0.1, 0.05, 0.1)
    assert document["event_to_score_p99_ms"] == 9.9
    assert len(document["played"]) == 40
