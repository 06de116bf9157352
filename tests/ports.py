"""Ports for servers that tests start."""

from __future__ import annotations

import os
import random
import socket
from contextlib import suppress

# A cluster's nodes talk to one another on a port so much higher.
BUS = 10_000
# Below 32768, from where the system gives ports to whoever connects, and so is their bus; each process of the suite
# has a part of its own.
FIRST, PARTS, IN_A_PART = 10_000, 8, 1_250


def free_port() -> int:
    """A port that nobody uses now, and the one of its bus free as well."""
    part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PARTS
    first = FIRST + part * IN_A_PART
    while True:
        port = random.randrange(first, first + IN_A_PART)
        with suppress(OSError), socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + BUS))
            return port
