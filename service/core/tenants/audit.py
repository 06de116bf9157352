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
READ_AT_ONCE = 500


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

    async def read(
        self, project: str, limit: int, before: str = "", *, act: str = "", key_id: str = ""
    ) -> list[AuditEntry]:
        """A project's entries, newest first; with `before`, an entry's id, only those older than it. `act`: only
        these (`key.create`), or those on one kind of thing (`key`); `key_id`: only what was done with this key. The log
        is bounded, so looking through the whole of it is. Raises TransientError."""
        at_once = READ_AT_ONCE if act or key_id else limit
        found: list[AuditEntry] = []
        while len(found) < limit:
            entries = await self._store.read_entries(project, at_once, before)
            found += [one for one in entries if _is_like(one, act, key_id)]
            if len(entries) < at_once:
                break
            before = entries[-1].entry_id
        return found[:limit]


def _is_like(entry: AuditEntry, act: str, key_id: str) -> bool:
    return (not act or entry.act == act or entry.act.startswith(f"{act}.")) and key_id in ("", entry.key_id)
