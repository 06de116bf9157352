"""Who may do what: every request has a principal, and every route needs one scope of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal["ingest", "read", "admin", "operate"]
"""`ingest` sends steps, ends and outcomes of runs; `read` looks; `admin` does everything in its project; `operate` does
what concerns the service as a whole: projects, and monitors for all of them."""
PROJECT_SCOPES: frozenset[Scope] = frozenset({"ingest", "read", "admin"})
ALL_SCOPES: frozenset[Scope] = PROJECT_SCOPES | {"operate"}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, for which project, and what they may do there."""

    project: str
    scopes: frozenset[Scope] = ALL_SCOPES
    key_id: str = ""
    """The key's public name, for the audit log; "" where no key is needed."""
    origin: str = ""
    """The address that asked, for the audit log; that of the proxy where there is one."""
