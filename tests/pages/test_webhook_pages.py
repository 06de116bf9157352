"""Webhooks in a browser: added, tested, their dead letters sent again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.browser import DESKTOP, PHONE, Scheme, check_accessible, check_fits, watched_page
from tests.pages.conftest import url_of
from tests.pages.runs import alerting_steps, send
from tests.service.live import Service
from tests.tiny_bundle import TinyBundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Receiver(BaseHTTPRequestHandler):
    """Answers as its server is told to."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Answering)
        self.server.taken += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's word
        pass


class Answering(HTTPServer):
    status = 204
    taken = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


@pytest.fixture
def receiver() -> Iterator[Answering]:
    with Answering(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


def add(page: Page, url: str) -> None:
    page.goto("/webhooks")
    page.get_by_label("Address").fill(url)
    page.get_by_role("button", name="Add the webhook").click()


def test_a_webhook_is_added_with_its_secret_shown_once_and_tested(page: Page, receiver: Answering) -> None:
    add(page, receiver.url)
    assert (page.locator("#secret").text_content() or "").startswith("whsec_")
    assert "whsec_" not in page.url

    page.get_by_role("button", name="Send a test").click()

    expect(page.get_by_text("The test arrived: 204")).to_be_visible()
    assert receiver.taken == 1
    assert "whsec_" not in page.content()


def test_a_test_that_does_not_arrive_says_why(page: Page, receiver: Answering) -> None:
    receiver.status = 500
    add(page, receiver.url)
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("alert")).to_contain_text("500")


def test_a_target_that_is_refused_is_said_beside_its_field_and_what_was_typed_is_kept(page: Page) -> None:
    add(page, "http://169.254.169.254/latest?<script>alert(1)</script>")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Address")).to_have_value("http://169.254.169.254/latest?<script>alert(1)</script>")


def test_a_dead_letter_is_sent_again(service: Service, page: Page, receiver: Answering, tiny: TinyBundle) -> None:
    receiver.status = 410
    add(page, receiver.url)
    address = page.url
    made = service.http.get("/v1/webhooks").json()["webhooks"][-1]["id"]
    send(service, f"dead-{made}", alerting_steps(tiny))
    failed = {"state": "failed"}
    deliveries = f"/v1/webhooks/{made}/deliveries"
    service.until(lambda: bool(service.http.get(deliveries, params=failed).json()["deliveries"]), 20, "given up")
    receiver.status = 204

    page.goto(f"/webhooks/{made}")
    expect(page.get_by_text("Nothing is sent to it")).to_be_visible()
    page.get_by_role("button", name="Enable").click()
    page.get_by_role("button", name="Send again", exact=True).click()

    expect(page.get_by_text("On its way again")).to_be_visible()
    delivered = {"state": "delivered"}
    service.until(lambda: bool(service.http.get(deliveries, params=delivered).json()["deliveries"]), 20, "delivered")
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("The webhook is forgotten")).to_be_visible()
    assert address


@pytest.mark.parametrize(("scheme", "size"), [("light", PHONE), ("dark", DESKTOP)])
def test_the_pages_are_accessible_and_fit(
    chromium: Browser, service: Service, receiver: Answering, scheme: Scheme, size: dict[str, int]
) -> None:
    with watched_page(chromium, url_of(service), size=size, scheme=scheme) as page:
        add(page, receiver.url + "x" * 300)
        check_accessible(page)
        check_fits(page)
        page.goto("/webhooks")
        check_accessible(page)
        check_fits(page)
