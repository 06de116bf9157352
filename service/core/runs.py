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


def run_state(record: RunRecord) -> str:
    """The run's state in one word: "succeeded", "failed", "ended", "expired" (no step for long), else "warning"
    or "ok" while it is live."""
    if record.success is not None:
        return "succeeded" if record.success else "failed"
    if record.ended_ms is not None:
        return "ended"
    if record.expired:
        return "expired"
    return "warning" if record.summary.warning else "ok"
