"""Alert episodes, and what people do about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AlertNote:
    """An opened alert episode: the JSON that goes to the outbox and stays with the run."""

    episode: int
    created_ms: int
    body: bytes
    severity: str
    hidden: bool = False
    """The run is a control run: the alert stays with it, and is told to nobody."""


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts to list: newest first, before `before` (created_ms, id) where given."""

    project: str
    limit: int
    before: tuple[int, str] | None = None
    run_id: str | None = None
    state: str | None = None
    severity: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody has taken note of an alert."""

    at_ms: int
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that an admin did."""

    at_ms: int
    key_id: str
    """Who: the key's public name, or "operator", or "command" for a command beside the service, "" for anybody where
    no key is needed."""
    origin: str
    """The address that asked, or the user who ran the command."""
    act: str
    target: str
    detail: dict[str, Any]
    entry_id: str = ""
    """Its place in the log; "" until it is written."""
