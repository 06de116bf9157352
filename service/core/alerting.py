"""The alert that a run's episode becomes: its id, which leads back to its run, its severity, its JSON."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from urllib.parse import quote

import orjson

from service.core.scoring import OpenedAlert
from service.records import AlertNote, JsonObject, RunDescription, RunRef

Severity = Literal["info", "warning", "critical"]
_PREFIX = "alert_"
_DIGEST_CHARS = 12
ALERT_ID_CHARS = 400
"""More than any id has: a run id has at most 200 characters."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """How alerts are told. A failure probability from a cut point on has its severity; below both it is `info`."""

    warning_from: float = 0.5
    critical_from: float = 0.8
    public_url: str = ""
    """Where the service is reached from outside, without a slash at its end; "" leaves links without a host."""

    def severity(self, failure_probability: float) -> Severity:
        """How bad a calibrated failure probability (0 … 1) is."""
        if failure_probability >= self.critical_from:
            return "critical"
        return "warning" if failure_probability >= self.warning_from else "info"

    def link(self, run_id: str) -> str:
        """The run's page."""
        return f"{self.public_url}/runs/{quote(run_id, safe='')}"


def alert_id(ref: RunRef, episode: int, monitor_id: str) -> str:
    """The id of a run's alert episode under a monitor: the same whoever computes it, and whenever.

    A digest of all of them, then run and episode themselves, so that an id leads to its run (and thus its partition)
    without an index. Opaque to callers, and fit for an address as it is.
    """
    digest = sha256("\0".join((ref.project, ref.run_id, str(episode), monitor_id)).encode()).digest()
    return _PREFIX + _encode(digest)[:_DIGEST_CHARS] + _encode(f"{episode} {ref.run_id}".encode())


def read_alert_id(raw_id: str) -> tuple[str, int] | None:
    """The run id and episode that an alert's id names, or None if it is no such id. Whether there is such an alert, the
    stored alert's own id decides."""
    packed = raw_id[len(_PREFIX) + _DIGEST_CHARS :]
    if not raw_id.startswith(_PREFIX) or not raw_id.isascii() or len(raw_id) > ALERT_ID_CHARS:
        return None
    try:
        raw_episode, _, run_id = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode().partition(" ")
    except (ValueError, binascii.Error):
        return None
    if not run_id or not (raw_episode.isascii() and raw_episode.isdigit() and len(raw_episode) <= 9):
        return None
    return run_id, int(raw_episode)


def to_note(
    ref: RunRef,
    opened: OpenedAlert,
    monitor_id: str,
    said: RunDescription,
    created_ms: int,
    alerting: Alerting,
    evidence: JsonObject | None,
    *,
    hidden: bool = False,
) -> AlertNote:
    """The alert as it goes to the outbox and stays with the run; where it is `hidden` it does the latter alone.
    `evidence` as `evidence.to_json` gives it.
    """
    alert = opened.alert
    severity = alerting.severity(alert.failure_probability)
    body: JsonObject = {
        "id": alert_id(ref, alert.episode, monitor_id),
        "type": "run.alert",
        "project": ref.project,
        "run_id": ref.run_id,
        "episode": alert.episode,
        "severity": severity,
        "position": opened.position,
        "turn": alert.turn,
        "risk": alert.risk,
        "risk_before": alert.risk_before,
        "failure_probability": alert.failure_probability,
        "score": alert.score,
        "threshold": alert.threshold,
        "evidence": evidence,
        "monitor_id": monitor_id,
        "agent": said.agent or "",
        "task": said.task or "",
        "tags": said.tags or {},
        "link": alerting.link(ref.run_id),
        "created_ms": created_ms,
    }
    return AlertNote(alert.episode, created_ms, orjson.dumps(body), severity, hidden)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
