"""A demo that stays up is where all pages look for it, unless something else is there."""

from __future__ import annotations

import socket

import pytest

from forewarn.demo import serving
from tests.service.live import free_port


def test_the_port_that_all_pages_name_is_taken_where_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "USUAL_PORT", free_port())
    assert serving.choose_port(usual=True) == serving.USUAL_PORT


def test_a_port_that_something_listens_on_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = int(other.getsockname()[1])
        monkeypatch.setattr(serving, "USUAL_PORT", taken)
        assert serving.choose_port(usual=True) not in {0, taken}
