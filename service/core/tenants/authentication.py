"""Who sends a request: the key in its `Authorization: Bearer` header, looked up without waiting.

Each process has a copy of all keys, read anew every second: a key that is made, rotated or revoked is so everywhere
within about a second. While Redis does not answer, nobody can revoke either, and the copy stays as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from service.core.tenants.access import Principal
from service.core.tenants.guessing import GuessGate
from service.core.tenants.keys import KeyRecord, read_records
from service.core.tenants.tokens import SCOPES, digest_of, read_key_id
from service.errors import TransientError, Unauthenticated
from service.ports import KeyStore
from service.records import DEFAULT_PROJECT

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
# "Last used" is to know what may be revoked: to some minutes is enough, and costs a write a key in so long.
USED_EVERY_S = 300.0
# One key can be written in several ways ("bearer", spaces): whoever holds one must not fill the memory with them.
REMEMBERED = 10_000
OPERATOR = "operator"
_FOREVER = float("inf")


class KeyBook:
    """Every key, as last read."""

    def __init__(self, store: KeyStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._version = b""
        self._known: Mapping[str, KeyRecord] = {}
        self.generation = 0
        """Changes with the keys."""
        self._used: set[str] = set()
        self._written: dict[str, float] = {}

    @property
    def exists(self) -> bool:
        """True once any key was made. A key that was revoked or ran out counts: the last one to go must not leave the
        service open."""
        return self._version != b""

    def find(self, key_id: str) -> KeyRecord | None:
        """A key's record. Never waits."""
        return self._known.get(key_id)

    def note_use(self, key_id: str) -> None:
        """The key was used just now."""
        self._used.add(key_id)

    async def refresh(self) -> None:
        """Read the book anew where it has changed. Raises TransientError."""
        version, rows = await self._store.read_keys(self._version)
        if version == self._version:
            return
        self._known, self._version = read_records(rows), version
        self.generation += 1

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the copy fresh until `stop`, and write down which keys were used."""
        while not stop.is_set():
            try:
                await self.refresh()
                await self._write_used()
            except TransientError as error:
                log.warning("keys stay as they were read before: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)

    async def _write_used(self) -> None:
        now = self._clock()
        due = {one for one in self._used if now - self._written.get(one, 0.0) >= USED_EVERY_S}
        if due:
            await self._store.note_used(due, int(now * 1000))
            self._written.update(dict.fromkeys(due, now))
        self._used.clear()


class _Seen(NamedTuple):
    principal: Principal
    until: float


class Authenticator:
    """Finds the principal of a request.

    `operator_key` is the service's own (FOREWARN_API_KEY): it may do everything, and acts in the project `default`
    where a route concerns a project. `closed`: a key is needed even where none exists, since the service can be reached
    from outside. Otherwise, as long as no key was ever made, everybody may do everything: the service then listens on
    loopback only.
    """

    def __init__(
        self,
        operator_key: str | None,
        book: KeyBook | None = None,
        *,
        closed: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._operator = None if operator_key is None else sha256(operator_key.encode()).digest()
        self.book = book
        self._closed = closed
        self._clock = clock
        self._guesses = GuessGate()
        # Headers that were found good, by their digest: no token is kept. Emptied when any key changes.
        self._seen: dict[bytes, _Seen] = {}
        self._generation = -1

    @property
    def required(self) -> bool:
        """True if requests need a key."""
        return self._closed or self._operator is not None or (self.book is not None and self.book.exists)

    def authenticate(self, authorization: str | None, origin: str = "") -> Principal:
        """Who sends this `Authorization` header from this address. Never waits. Raises Unauthenticated, and
        TooManyGuesses for an address that sent too many wrong ones."""
        if not self.required:
            return _ANYBODY
        if self.book is not None and self.book.generation != self._generation:
            self._seen.clear()
            self._generation = self.book.generation
        # Bytes that are no text cannot be a key; they are hashed as they came.
        digest = sha256((authorization or "").encode("utf-8", "replace")).digest()
        seen = self._seen.get(digest)
        if seen is None or self._clock() >= seen.until:
            seen = self._look(authorization, origin)
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen[digest] = seen
        if self.book is not None and seen.principal.key_id != OPERATOR:
            self.book.note_use(seen.principal.key_id)
        return seen.principal

    def holds(self, principal: Principal) -> bool:
        """True while the key that gave the principal is good; for streams, which outlive their request."""
        if principal.key_id in {"", OPERATOR}:
            return principal.key_id == OPERATOR or not self.required
        record = None if self.book is None else self.book.find(principal.key_id)
        return record is not None and record.state(int(self._clock() * 1000)) == "active"

    def _look(self, authorization: str | None, origin: str) -> _Seen:
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated(_MISSING)
        key_id = read_key_id(token)
        record = None if key_id is None or self.book is None else self.book.find(key_id)
        if record is not None and (until_ms := self._good_until_ms(record, token)):
            return _Seen(Principal(record.project, SCOPES[record.kind], record.key_id), until_ms / 1000)
        # Nobody guesses 256 bits, so keys are never kept waiting; the operator's may be a word that somebody chose.
        self._guesses.note(origin)
        if self._operator is not None and hmac.compare_digest(
            sha256(token.encode("utf-8", "replace")).digest(), self._operator
        ):
            self._guesses.forgive(origin)
            return _Seen(_OPERATOR, _FOREVER)
        raise Unauthenticated(_WRONG)

    def _good_until_ms(self, record: KeyRecord, token: str) -> float:
        """Until when the token is good; 0 where it is not. Compares digests in constant time."""
        now_ms = int(self._clock() * 1000)
        if record.state(now_ms) != "active":
            return 0
        digest, end_ms = digest_of(token), record.expires_ms or _FOREVER
        if hmac.compare_digest(digest, record.digest):
            return end_ms
        if record.old_digest and now_ms < record.old_until_ms and hmac.compare_digest(digest, record.old_digest):
            return min(end_ms, record.old_until_ms)
        return 0


_ANYBODY = Principal(DEFAULT_PROJECT)
_OPERATOR = Principal(DEFAULT_PROJECT, key_id=OPERATOR)
_MISSING = "this needs a key: send the header `Authorization: Bearer <key>`"
_WRONG = "this key is unknown, has run out, or was revoked: `forewarn keys list` shows which are good"
