"""What has become of an alert episode: derived from the run as it is, and never stored.

    ok ──▶ warning ──▶ acknowledged ──▶ recovered ──▶ closed
              ├──────────────────────────▲             ▲
              └────────────────────────────────────────┘

An episode opens as `warning`. It is `acknowledged` while somebody has taken note of it and it goes on, `recovered` once
the run is out of it, and `closed` once the run is over, whatever was before. (Another step brings an expired run back,
and its episode with it.) An acknowledgement stays with the alert in every later state; the run's next episode is a new
alert.
"""

from __future__ import annotations

from typing import Literal

from service.core.runs import is_over
from service.records import AlertQuery, JsonObject, RunRecord

AlertState = Literal["warning", "acknowledged", "recovered", "closed"]


def alert_state(run: RunRecord | None, episode: int, *, acknowledged: bool) -> AlertState:
    """The state of a run's episode (1 for its first). A run that is no longer known is over."""
    if run is None or is_over(run):
        return "closed"
    if run.summary.alerts > episode or not run.summary.warning:
        return "recovered"
    return "acknowledged" if acknowledged else "warning"


def with_state(alert: JsonObject, run: RunRecord | None, acknowledgement: JsonObject | None) -> JsonObject:
    """A stored alert with what has become of it: `state`, and `acknowledgement` or None."""
    state = alert_state(run, alert["episode"], acknowledged=acknowledgement is not None)
    return {**alert, "state": state, "acknowledgement": acknowledgement}


def passes(alert: JsonObject, query: AlertQuery) -> bool:
    """True if an alert that `with_state` made passes the query's filters."""
    return (
        alert["project"] == query.project
        and (query.state is None or alert["state"] == query.state)
        and (query.severity is None or alert.get("severity") == query.severity)
    )
