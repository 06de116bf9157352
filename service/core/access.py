"""Who may do what: every request has a principal, and every route needs one scope of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal["ingest", "read", "admin"]
"""`ingest` sends steps, ends and outcomes of runs; `read` looks; `admin` does everything in its project."""
ALL_SCOPES: frozenset[Scope] = frozenset({"ingest", "read", "admin"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, for which project, and what they may do there."""

    project: str
    scopes: frozenset[Scope] = ALL_SCOPES
    key_id: str = ""
    """The key's public name, for the audit log; "" where no key is needed."""
