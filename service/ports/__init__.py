"""What the core needs of the outside: a log to append to, partitions to own, runs to read, scores to wait for."""

from __future__ import annotations

from service.ports.archive import ArchivedSteps, EndingArchive, StepArchive, WaitingSteps
from service.ports.log import DeletionLog, EndingLog, Parking, PartitionLog, StepLog, TraceRuns
from service.ports.looking import Acknowledger, LiveRunCounter, RunReader, ScoreBoard, ScoreWatch, UpdateFeed
from service.ports.monitors import BundleStore, LiveMonitor, MonitorRegister, MonitorShelf
from service.ports.tenants import AuditStore, KeyStore, ProjectStore, TokenStore

__all__ = [
    "Acknowledger",
    "ArchivedSteps",
    "AuditStore",
    "BundleStore",
    "DeletionLog",
    "EndingArchive",
    "EndingLog",
    "KeyStore",
    "LiveMonitor",
    "LiveRunCounter",
    "MonitorRegister",
    "MonitorShelf",
    "Parking",
    "PartitionLog",
    "ProjectStore",
    "RunReader",
    "ScoreBoard",
    "ScoreWatch",
    "StepArchive",
    "StepLog",
    "TokenStore",
    "TraceRuns",
    "UpdateFeed",
    "WaitingSteps",
]
