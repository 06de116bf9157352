"""One browser for all tests of pages, and a service that they share; each test has runs of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.pages.browser import OPTIONS, chromium_path, watched_page
from tests.service.live import Service, running
from tests.service.servers import Server, running_single
from tests.tiny_bundle import TinyBundle, shared_tiny_bundle

OPERATOR_KEY = "the-operators-own-key-for-pages"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/pages" in str(item.path):
            item.add_marker(pytest.mark.needs("chromium", "redis-server"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for a file's tests. No longer: while it lives its event loop runs in this thread, and then no test
    elsewhere can run one of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    return shared_tiny_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def service(tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An open service on loopback: no key is needed. Tests must not make one."""
    folder: Path = tmp_path_factory.mktemp("pages")
    settings = {"FOREWARN_WEBHOOK_ALLOW": "127.0.0.1"}
    with running(folder, "--bundle", str(tiny.path), environment=settings) as service:
        service.until_ready()
        yield service


@pytest.fixture(scope="session")
def guarded(tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that needs keys; its `http` sends the operator's."""
    folder: Path = tmp_path_factory.mktemp("guarded-pages")
    settings = {"FOREWARN_API_KEY": OPERATOR_KEY, "FOREWARN_WEBHOOK_ALLOW": "127.0.0.1", "FOREWARN_HOST": "127.0.0.1"}
    with running(folder, "--bundle", str(tiny.path), environment=settings) as service:
        service.http.headers["Authorization"] = f"Bearer {OPERATOR_KEY}"
        service.until_ready()
        yield service


@dataclass
class Frail:
    """A service to be broken, which keeps no content, and the Redis under it."""

    service: Service
    redis: Server


@pytest.fixture(scope="session")
def frail(tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frail]:
    """Tests leave it as they found it: running."""
    folder: Path = tmp_path_factory.mktemp("frail-pages")
    with running_single(folder / "redis") as redis:
        settings = {"FOREWARN_REDIS_URL": redis.url, "FOREWARN_CONTENT": "none"}
        with running(folder, "--bundle", str(tiny.path), environment=settings) as service:
            service.until_ready()
            yield Frail(service, redis)


def url_of(service: Service) -> str:
    """Where the service's pages are."""
    return str(service.http.base_url).rstrip("/")


@pytest.fixture
def page(chromium: Browser, service: Service) -> Iterator[Page]:
    """A desktop page at the open service; the test fails if anything went wrong in the browser."""
    with watched_page(chromium, url_of(service)) as page:
        yield page
