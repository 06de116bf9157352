"""The data that cross the service's ports: identities, steps, scores, runs, leases, commits. Plain values; no I/O."""

from __future__ import annotations

from service.records.alerts import Acknowledgement, AlertNote, AlertQuery, AuditEntry
from service.records.commits import CommitSignal, FeedEntry, FeedPage, Lease, PartitionCommit, RunCommit, WorkerReport
from service.records.refs import DEFAULT_PROJECT, SHAPES, JsonObject, Registration, RunMonitors, RunRef, Shape
from service.records.runs import Cutoffs, Deletion, Ending, LiveCounts, RunDescription, RunProgress, RunQuery, RunRecord
from service.records.scores import (
    COUNTED,
    SCORE_BYTES,
    SCORE_LAYOUT,
    SUMMARY_LAYOUT,
    SUMMARY_VERSION,
    RunSummary,
    ScoreRecord,
    ShadowSummary,
)
from service.records.steps import Appended, Entry, NewStep, ParkedEntry, ParkedStep, StepGroup

__all__ = [
    "COUNTED",
    "DEFAULT_PROJECT",
    "SCORE_BYTES",
    "SCORE_LAYOUT",
    "SHAPES",
    "SUMMARY_LAYOUT",
    "SUMMARY_VERSION",
    "Acknowledgement",
    "AlertNote",
    "AlertQuery",
    "Appended",
    "AuditEntry",
    "CommitSignal",
    "Cutoffs",
    "Deletion",
    "Ending",
    "Entry",
    "FeedEntry",
    "FeedPage",
    "JsonObject",
    "Lease",
    "LiveCounts",
    "NewStep",
    "ParkedEntry",
    "ParkedStep",
    "PartitionCommit",
    "Registration",
    "RunCommit",
    "RunDescription",
    "RunMonitors",
    "RunProgress",
    "RunQuery",
    "RunRecord",
    "RunRef",
    "RunSummary",
    "ScoreRecord",
    "ShadowSummary",
    "Shape",
    "StepGroup",
    "WorkerReport",
]
