"""A bundle and its monitor, built once for all tests of this folder."""

from __future__ import annotations

import pytest

from monitors import Monitor
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def monitor(tiny: TinyBundle) -> Monitor:
    return Monitor.read(tiny.path, device="cpu")
