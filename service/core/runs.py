"""What a run's record means."""

from __future__ import annotations

from service.records import RunQuery, RunRecord


def matches(record: RunRecord, query: RunQuery) -> bool:
    """True if the run passes the query's filters, other than those of time."""
    summary = record.summary
    return (
        (query.agent is None or record.agent == query.agent)
        and (query.monitor is None or record.monitor_id == query.monitor)
        and (query.min_risk is None or (summary.max_score is not None and summary.risk >= query.min_risk))
        and (query.state is None or run_state(record) == query.state)
    )


def is_over(record: RunRecord) -> bool:
    """True if the run has ended, has an outcome, or has expired (until another step brings it back)."""
    return record.ended_ms is not None or record.success is not None or record.expired


def run_state(record: RunRecord) -> str:
    """The run's state in one word: "succeeded", "failed" or "ended"; "expired" after long without a step; else, while
    it is live, "warning" or "acknowledged" inside an alert episode, "recovered" after one, "ok" before any."""
    if record.success is not None:
        return "succeeded" if record.success else "failed"
    if record.ended_ms is not None:
        return "ended"
    if record.expired:
        return "expired"
    if record.summary.warning:
        return "acknowledged" if record.acknowledged else "warning"
    return "recovered" if record.summary.alerts else "ok"
