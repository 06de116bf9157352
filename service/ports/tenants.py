"""What is kept of projects: their settings, keys, limits, and what admins did."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from service.records import AuditEntry


class ProjectStore(Protocol):
    """Where projects' settings are kept, as JSON."""

    async def read_projects(self) -> dict[str, bytes]:
        """Every project's settings."""
        ...

    async def swap_project(self, project: str, old: bytes, new: bytes) -> bool:
        """Write new settings if the old ones (b"" for none) still stand; False if not, and nothing was written."""
        ...

    async def delete_project(self, project: str) -> bool:
        """Forget a project's settings; False if there were none."""
        ...


class AuditStore(Protocol):
    """What admins did, by project: appended to, read, never changed. Bounded, so the oldest leave in the end."""

    async def append_entry(self, project: str, entry: AuditEntry) -> None:
        """Write an entry down, durably. Raises TransientError."""
        ...

    async def read_entries(self, project: str, limit: int, before: str = "") -> list[AuditEntry]:
        """A project's entries, newest first; with `before`, an entry's id, only those older than it. Raises
        TransientError."""
        ...


class KeyStore(Protocol):
    """Where keys are kept: a record by key id, each change of any of them with a new version of the whole."""

    async def read_keys(self, known: bytes = b"") -> tuple[bytes, dict[str, bytes]]:
        """The version and all records; the records are left out where the version is the `known` one. Raises
        TransientError."""
        ...

    async def read_key(self, key_id: str) -> bytes | None:
        """One record. Raises TransientError."""
        ...

    async def swap_key(self, key_id: str, old: bytes, new: bytes) -> bool:
        """Write a record where it still is `old` (b"": not there), b"" to delete it; False where it is not. Raises
        TransientError."""
        ...

    async def note_used(self, key_ids: Collection[str], at_ms: int) -> None:
        """Write down that these keys were used. Raises TransientError."""
        ...

    async def read_used(self) -> dict[str, int]:
        """When each key was last used, ms. Raises TransientError."""
        ...


class TokenStore(Protocol):
    """Buckets of tokens that all processes take from."""

    async def take_tokens(self, project: str, rate: float, burst: int, needed: int, portion: int) -> tuple[int, float]:
        """Take what is needed out of a project's bucket, or as much more as makes a portion where it is there; nothing
        where less than needed is there. What was taken, and what was left (a new bucket is full: `burst`; it gains
        `rate` a second). Raises TransientError."""
        ...
