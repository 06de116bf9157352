"""Where to listen: at an address that others can reach only where they need a key to get in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from service.core.readiness import Check
from service.core.tenants.authentication import KeyBook
from service.errors import TransientError
from service.settings import Settings, is_loopback

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
FIRST_KEY = "`forewarn keys create --kind admin` makes the first key, or set FOREWARN_API_KEY"


@dataclass(frozen=True, slots=True)
class Binding:
    """The address to bind. `kept_in`: another was asked for, but nobody would need a key there."""

    host: str
    kept_in: bool = False

    @property
    def is_outside(self) -> bool:
        """True where others than this machine can reach it."""
        return not is_loopback(self.host)


def choose_binding(settings: Settings, *, keys_exist: bool) -> Binding:
    """The address that is set; loopback where that one is open to others and no key exists."""
    open_to_all = settings.api_key is None and not keys_exist
    if open_to_all and not is_loopback(settings.wanted_host):
        return Binding(LOOPBACK, kept_in=True)
    return Binding(settings.wanted_host)


def tell_binding(binding: Binding, settings: Settings, *, key_needed: bool) -> None:
    """Say in the log where the service listens, and why not elsewhere."""
    if binding.kept_in:
        log.warning(
            "no key exists, so this listens on %s only, not on %s: %s; it then listens there by itself",
            *(binding.host, settings.wanted_host, FIRST_KEY),
        )
    elif not key_needed:
        log.info("no key exists, so this listens on %s only: %s", binding.host, FIRST_KEY)


def check_access(binding: Binding, settings: Settings, *, key_needed: bool) -> Check:
    """What /readyz says of who may ask."""
    if binding.kept_in:
        detail = f"no key exists: on {binding.host} only, not on {settings.wanted_host}; {FIRST_KEY}"
        return Check("access", False, detail, warning=True)
    detail = f"requests need a key; on {binding.host}" if key_needed else f"no key is needed; on {binding.host} only"
    return Check("access", True, detail)


async def read_when_up(book: KeyBook, stop: asyncio.Event) -> None:
    """Read the keys, once Redis answers, or until told to stop."""
    while not stop.is_set():
        try:
            await book.refresh()
            return
        except TransientError as error:
            log.warning("waiting for Redis: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.3)


async def until_first_key(book: KeyBook, binding: Binding, stop: asyncio.Event, leave: asyncio.Event) -> None:
    """Set `leave` on `stop`; where the service is kept in, on the first key too: the supervisor then starts the process
    anew, which listens where it was asked to."""
    while not stop.is_set():
        if binding.kept_in and book.exists:
            log.info("a key exists now: starting anew to listen where it is set")
            break
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5 if binding.kept_in else None)
    leave.set()
