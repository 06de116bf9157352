"""Whether an address can be listened on, asked before a service is started there."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import time

from service.errors import SettingsError

log = logging.getLogger(__name__)

# A service that is being replaced may take a moment to let its port go.
PATIENCE_S = 5.0


def is_taken(host: str, port: int) -> bool:
    """Whether another process listens there. What else may be wrong with the address is left to who binds it."""
    with contextlib.suppress(OSError):
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    probe.bind(address)
                except OSError as error:
                    if error.errno == errno.EADDRINUSE:
                        return True
    return False


def await_port(host: str, port: int, patience_s: float = PATIENCE_S) -> None:
    """Return once the port is free; at once for port 0, which is any. Raises SettingsError if it is not in time."""
    deadline = time.monotonic() + patience_s
    told = False
    while port and is_taken(host, port):
        if time.monotonic() >= deadline:
            raise SettingsError(
                f"{host}:{port} is in use, perhaps by another forewarn: choose another port with --port (FOREWARN_PORT)"
            )
        if not told:
            log.warning("%s:%d is in use; waiting %.0f s for it", host, port, patience_s)
            told = True
        time.sleep(0.1)
