"""What is done with keys, and written down: the same for routes and pages."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from service.api.deps import ApiDeps
from service.core.tenants.access import Principal
from service.core.tenants.keys import KeyRecord
from service.core.tenants.tokens import KeyKind
from service.errors import TransientError

_DAY_S = 24 * 3600.0


async def make_key(
    deps: ApiDeps, who: Principal, project: str, kind: KeyKind, name: str, expires_in_days: float | None
) -> tuple[KeyRecord, str]:
    """A new key and its token, which is shown once. `expires_in_days` None: good until revoked."""
    lifetime_s = None if expires_in_days is None else expires_in_days * _DAY_S
    record, token = await deps.keys.create(project, kind, name, lifetime_s)
    await _know(deps)
    await _note(deps, who, "key.create", project, record, expires_ms=record.expires_ms or None)
    return record, token


async def rotate_key(deps: ApiDeps, who: Principal, project: str, key_id: str, grace_s: float) -> tuple[KeyRecord, str]:
    """The key with a new token; the one before stays good for `grace_s`. Raises NotFound."""
    record, token = await deps.keys.rotate(project, key_id, grace_s)
    await _know(deps)
    await _note(deps, who, "key.rotate", project, record, grace_s=grace_s)
    return record, token


async def revoke_key(deps: ApiDeps, who: Principal, project: str, key_id: str) -> None:
    """Ends the key for good. Raises NotFound."""
    await _note(deps, who, "key.revoke", project, await deps.keys.revoke(project, key_id))


async def _know(deps: ApiDeps) -> None:
    """Let this process know the token before anybody can use it; others do within a second. Whoever tries it there
    meanwhile is refused, and each time counts as a wrong guess."""
    if deps.authenticator.book is not None:
        with suppress(TransientError):
            await deps.authenticator.book.refresh()


async def _note(deps: ApiDeps, who: Principal, act: str, project: str, record: KeyRecord, **detail: Any) -> None:
    what = {"kind": record.kind, "name": record.name, **detail}
    await deps.audit.note(who, act, record.key_id, what, project=project)
