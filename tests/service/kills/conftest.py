"""What is killed, and what it serves."""

from __future__ import annotations

import pytest

from tests.tiny_bundle import TinyBundle, shared_tiny_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    """A small real bundle."""
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())
