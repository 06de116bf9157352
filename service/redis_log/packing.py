"""Commands packed for the wire in C.

redis-py's asyncio connections pack in Python, which took nearly half of a worker's event loop and 25 µs of each step;
hiredis, which reads the answers already, packs too.
"""

from __future__ import annotations

from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection


def packed(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """The kind of connection, packing by hiredis. Arguments are bytes, texts and numbers."""

    class Packed(kind):  # type: ignore[misc, valid-type]
        """See `packed`."""

        def pack_command(self, *args: Any) -> list[bytes]:
            """One command as the protocol has it. A command of two words (`SCRIPT LOAD`) is two arguments."""
            name, *rest = args
            return [hiredis.pack_command((*name.split(), *rest))]

        def pack_commands(self, commands: Any) -> list[bytes]:
            """Several commands, each whole."""
            return [piece for command in commands for piece in self.pack_command(*command)]

    return Packed
