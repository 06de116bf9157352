"""A port that is taken is said before anything starts."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from service.errors import SettingsError
from service.listening import await_port, is_taken
from tests.service.live import free_port


def test_a_port_that_stays_taken_is_named_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"127\.0\.0\.1:{port} is in use.*--port"):
            await_port("127.0.0.1", port, 0.2)


def test_a_port_that_is_let_go_is_waited_for() -> None:
    other = socket.socket()
    other.bind(("127.0.0.1", 0))
    other.listen()
    threading.Timer(0.3, other.close).start()
    began = time.monotonic()
    await_port("127.0.0.1", other.getsockname()[1], 10)
    assert 0.2 < time.monotonic() - began < 5


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 0), ("no.such.host.invalid", 80)])
def test_any_port_and_what_cannot_be_looked_up_are_left_to_who_binds(host: str, port: int) -> None:
    await_port(host, port, 0.0)


def test_a_free_port_is_free() -> None:
    assert not is_taken("127.0.0.1", free_port())
