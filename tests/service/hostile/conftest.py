"""One whole service for all hostile tests: what one of them breaks, the next one sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.live import Service, running
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

STEPS_PER_RUN = 200
# The key of the service's own settings: nothing that is asked of the service can end it, or make the first key of an
# open service, after which every test that comes later would see nothing but 401.
OPERATOR_KEY = "the-operators-own-key-of-the-besieged"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    """A small real bundle."""
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def besieged(tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose runs may have few steps, and whose webhooks may stay on this machine."""
    settings = {"FOREWARN_MAX_STEPS_PER_RUN": str(STEPS_PER_RUN), "FOREWARN_WEBHOOK_ALLOW": "127.0.0.1"}
    settings["FOREWARN_API_KEY"] = OPERATOR_KEY
    with running(tmp_path_factory.mktemp("besieged"), "--bundle", str(tiny.path), environment=settings) as service:
        service.http.headers["Authorization"] = f"Bearer {OPERATOR_KEY}"
        service.until_ready()
        yield service
