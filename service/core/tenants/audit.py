"""The audit log: what was done with the rights of an admin, by which key, from where."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import orjson

from service.core.privacy.redaction import SECRETS
from service.core.tenants.access import Principal
from service.ports import AuditStore
from service.records import AuditEntry, JsonObject

log = logging.getLogger(__name__)

MAX_DETAIL_BYTES = 4096
MAX_NAME_CHARS = 300


class AuditLog:
    """Writes down what admins do, each act in the log of the project that it concerned."""

    def __init__(self, store: AuditStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def note(
        self, principal: Principal, act: str, target: str, detail: JsonObject | None = None, *, project: str = ""
    ) -> None:
        """Write down an act that was done: `act` as `thing.verb` (`key.create`), `target` by its id. `detail` is small
        and kept without secrets, which somebody may have pasted as a name; one over MAX_DETAIL_BYTES is left out, and
        that is said. `project`: whose log, where not the principal's own.

        Raises TransientError: the act stands then, and the service's own log has the line.
        """
        kept = SECRETS.mask(detail or {})
        if not isinstance(kept, dict) or len(orjson.dumps(kept)) > MAX_DETAIL_BYTES:
            kept = {"left_out": "too large"}
        entry = AuditEntry(
            int(self._clock() * 1000),
            principal.key_id,
            principal.origin,
            act,
            SECRETS.mask_text(target)[:MAX_NAME_CHARS],
            kept,
        )
        log.info("%s %r by %r from %r", act, entry.target, entry.key_id, entry.origin)
        await self._store.append_entry(project or principal.project, entry)

    async def read(self, project: str, limit: int, before: str = "") -> list[AuditEntry]:
        """A project's entries, newest first; with `before`, an entry's id, only those older than it. Raises
        TransientError."""
        return await self._store.read_entries(project, limit, before)
