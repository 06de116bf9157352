"""A webhook's other end on the loopback address: it notes every message, and is out of order now and then."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass
class Receiver:
    """What came, whatever was answered."""

    url: str
    secret: str = ""
    ids: dict[str, set[str]] = field(default_factory=dict)
    """The `webhook-id`s under which each alert came."""
    taken: set[str] = field(default_factory=set)
    """The alerts that were answered with 204."""
    forged: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, headers: dict[str, str], body: bytes, *, take: bool) -> None:
        try:
            message: Any = Webhook(self.secret).verify(body, headers)
        except Exception as error:  # noqa: BLE001 - whatever it was, the test is told
            self.forged.append(repr(error))
            return
        alert = str(message["data"]["id"])
        with self.lock:
            self.ids.setdefault(alert, set()).add(headers["webhook-id"])
            if take:
                self.taken.add(alert)


@contextlib.contextmanager
def receiving(seed: int, faulty: float = 0.2) -> Iterator[Receiver]:
    """A receiver that answers a share `faulty` of its requests with 500."""
    rng = random.Random(seed)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            take = rng.random() >= faulty
            receiver.note({name.lower(): value for name, value in self.headers.items()}, body, take=take)
            # The sender may have been killed meanwhile.
            with contextlib.suppress(OSError):
                self.send_response(204 if take else 500)
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base class calls it so
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            # A killed sender breaks its connections.
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
