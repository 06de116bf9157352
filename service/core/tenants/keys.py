"""Keys: making, listing, rotating and revoking them. Nothing here ever holds a token but the answer that shows it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

import orjson

from service.core.privacy.redaction import SECRETS
from service.core.tenants.tokens import KEY_ID, KeyKind, digest_of, new_key_id, new_token
from service.errors import Conflict, NotFound
from service.ports import KeyStore

log = logging.getLogger(__name__)

FORMAT = 1
LIMIT_PER_PROJECT = 200
MAX_NAME_CHARS = 200
GRACE_S = 24 * 3600.0
LONGEST_GRACE_S = 30 * 24 * 3600.0
# A revoked or expired key stays in listings for so long, then makes room.
SHOWN_MS = 90 * 24 * 3600 * 1000

KeyState = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of a key. Times are ms since 1970, 0 for never."""

    key_id: str
    project: str
    kind: KeyKind
    name: str
    """What its maker calls it."""
    digest: str
    """See `tokens.digest_of`."""
    created_ms: int
    expires_ms: int = 0
    revoked_ms: int = 0
    rotated_ms: int = 0
    old_digest: str = ""
    """Of the token before the last rotation, good until `old_until_ms`."""
    old_until_ms: int = 0

    def state(self, now_ms: int) -> KeyState:
        """Whether the key is good at this time."""
        if self.revoked_ms:
            return "revoked"
        return "expired" if self.expires_ms and self.expires_ms <= now_ms else "active"

    def over_since_ms(self, now_ms: int) -> int:
        """Since when it is good no more; 0 while it is good."""
        return 0 if self.state(now_ms) == "active" else self.revoked_ms or self.expires_ms

    def to_json(self) -> bytes:
        """The record as it is stored, with its format version."""
        return orjson.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, raw: bytes) -> KeyRecord:
        """The stored record. Raises ValueError for one of another version."""
        record = orjson.loads(raw)
        if record.pop("format", None) != FORMAT:
            raise ValueError("a key's record of an unknown format")
        return cls(**record)


def read_records(rows: Mapping[str, bytes]) -> dict[str, KeyRecord]:
    """The records that can be read, by key id; of another that is said, and it opens nothing."""
    records = {}
    for key_id, raw in rows.items():
        try:
            records[key_id] = KeyRecord.from_json(raw)
        except (ValueError, TypeError):
            log.error("the record of key %s cannot be read: it opens nothing", key_id)
    return records


class KeyRegistry:
    """The keys of all projects. Every method names the project, so that none reaches into another's."""

    def __init__(self, store: KeyStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self, project: str, kind: KeyKind, name: str = "", lifetime_s: float | None = None
    ) -> tuple[KeyRecord, str]:
        """A new key and its token, which is kept nowhere; nor is one that somebody pasted as the name. Raises Conflict
        where the project has too many keys, TransientError."""
        at_ms = now_ms(self._clock)
        there = await self._of_project(project)
        for old in there:
            if (over_ms := old.over_since_ms(at_ms)) and over_ms < at_ms - SHOWN_MS:
                await self.forget(old)
        if sum(one.state(at_ms) == "active" for one in there) >= LIMIT_PER_PROJECT:
            raise Conflict(f"project {project} has {LIMIT_PER_PROJECT} keys already: revoke one that is not needed")
        key_id = new_key_id(kind)
        token = new_token(key_id)
        expires_ms = 0 if lifetime_s is None else at_ms + int(lifetime_s * 1000)
        record = KeyRecord(
            key_id, project, kind, SECRETS.mask_text(name)[:MAX_NAME_CHARS], digest_of(token), at_ms, expires_ms
        )
        await self._store.swap_key(key_id, b"", record.to_json())
        return record, token

    async def list_keys(self, project: str) -> list[KeyRecord]:
        """The project's keys, oldest first. Raises TransientError."""
        return sorted(await self._of_project(project), key=lambda one: (one.created_ms, one.key_id))

    async def count_good(self) -> Counter[str]:
        """How many keys of each project are good now. Raises TransientError."""
        _, rows = await self._store.read_keys()
        at_ms = now_ms(self._clock)
        return Counter(one.project for one in read_records(rows).values() if one.state(at_ms) == "active")

    async def get(self, project: str, key_id: str) -> KeyRecord:
        """The project's key of that name. Raises NotFound, TransientError."""
        raw = await self._store.read_key(key_id) if KEY_ID.fullmatch(key_id) else None
        record = None if raw is None else KeyRecord.from_json(raw)
        if record is None or record.project != project:
            # What was sent is not repeated: it may be a whole token.
            raise NotFound(
                "there is no such key: keys are named like ik_abcdefghijklmnop, without what follows in a token"
            )
        return record

    async def rotate(self, project: str, key_id: str, grace_s: float = GRACE_S) -> tuple[KeyRecord, str]:
        """A new token for the key; the one before stays good for `grace_s`, any older one ends now. Raises NotFound,
        Conflict for a key that is good no more, TransientError."""
        token = new_token(key_id)

        def turn(record: KeyRecord, at_ms: int) -> KeyRecord:
            if (state := record.state(at_ms)) != "active":
                raise Conflict(f"key {key_id} is {state}: make a new one")
            until_ms = at_ms + int(grace_s * 1000)
            return replace(
                record,
                digest=digest_of(token),
                rotated_ms=at_ms,
                old_digest=record.digest if grace_s > 0 else "",
                old_until_ms=until_ms if grace_s > 0 else 0,
            )

        return await self._change(project, key_id, turn), token

    async def revoke(self, project: str, key_id: str) -> KeyRecord:
        """End the key, for good. Saying it again changes nothing. Raises NotFound, TransientError."""
        return await self._change(
            project, key_id, lambda record, at_ms: replace(record, revoked_ms=record.revoked_ms or at_ms)
        )

    async def forget(self, record: KeyRecord) -> None:
        """Take a key out of listings; it is over already. Raises TransientError."""
        await self._store.swap_key(record.key_id, record.to_json(), b"")

    async def last_used_ms(self) -> dict[str, int]:
        """When keys were last used, to some minutes. Raises TransientError."""
        return await self._store.read_used()

    async def _change(self, project: str, key_id: str, change: Callable[[KeyRecord, int], KeyRecord]) -> KeyRecord:
        while True:
            record = await self.get(project, key_id)
            new = change(record, now_ms(self._clock))
            if new == record or await self._store.swap_key(key_id, record.to_json(), new.to_json()):
                return new

    async def _of_project(self, project: str) -> list[KeyRecord]:
        _, rows = await self._store.read_keys()
        return [record for record in read_records(rows).values() if record.project == project]


def now_ms(clock: Callable[[], float] = time.time) -> int:
    """The time now, ms since 1970."""
    return int(clock() * 1000)
