"""The alert that a run's episode becomes: its stable id and its JSON."""

from __future__ import annotations

from hashlib import sha256

import orjson

from service.core.scoring import OpenedAlert
from service.records import AlertNote, JsonObject, RunDescription, RunRef


def alert_id(ref: RunRef, episode: int, monitor_id: str) -> str:
    """The id of a run's alert episode under a monitor: the same whoever computes it, and whenever."""
    identity = "\0".join((ref.project, ref.run_id, str(episode), monitor_id))
    return "alert_" + sha256(identity.encode()).hexdigest()[:24]


def to_note(ref: RunRef, opened: OpenedAlert, monitor_id: str, said: RunDescription, created_ms: int) -> AlertNote:
    """The alert as it goes to the outbox and stays with the run."""
    alert = opened.alert
    body: JsonObject = {
        "id": alert_id(ref, alert.episode, monitor_id),
        "type": "run.alert",
        "project": ref.project,
        "run_id": ref.run_id,
        "episode": alert.episode,
        "position": opened.position,
        "turn": alert.turn,
        "risk": alert.risk,
        "risk_before": alert.risk_before,
        "failure_probability": alert.failure_probability,
        "score": alert.score,
        "threshold": alert.threshold,
        "monitor_id": monitor_id,
        "agent": said.agent or "",
        "task": said.task or "",
        "tags": said.tags or {},
        "created_ms": created_ms,
    }
    return AlertNote(alert.episode, created_ms, orjson.dumps(body))
