"""When the connection breaks or Redis is away, in Chromium: pages say so in words, and go on by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.browser import watched_page
from tests.pages.conftest import Frail, url_of
from tests.pages.runs import STEP, alerting_run, send
from tests.tiny_bundle import TinyBundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
AWAY = "The durable log does not answer"
WITHIN_MS = 30_000


@pytest.fixture
def pages(chromium: Browser, frail: Frail) -> Iterator[tuple[Page, Page, Page]]:
    """Three pages at the service that breaks."""
    with ExitStack() as stack:
        first, second, third = (
            stack.enter_context(watched_page(chromium, url_of(frail.service), breaks=True)) for _ in range(3)
        )
        yield first, second, third


def look_at_all(pages: tuple[Page, Page, Page], run_id: str) -> None:
    """The list of runs, a run, and the list of alerts, each of them live."""
    for page, address in zip(pages, ("/", f"/runs/{run_id}", "/alerts"), strict=True):
        page.goto(address)
    expect_live(pages)


def expect_live(pages: tuple[Page, Page, Page]) -> None:
    runs, run, alerts = pages
    expect(runs.locator("#live")).to_have_text("live", timeout=WITHIN_MS)
    expect(run.locator("#live")).to_have_text("live", timeout=WITHIN_MS)
    expect(alerts.locator("#said")).to_contain_text("Live:", timeout=WITHIN_MS)


def expect_words(pages: tuple[Page, Page, Page], words: str) -> None:
    for page, place in zip(pages, ("#live", "#live", "#said"), strict=True):
        expect(page.locator(place)).to_contain_text(words, timeout=WITHIN_MS)


def steps_in_list(page: Page, run_id: str, steps: str) -> None:
    expect(page.locator(f"tr[data-run='{run_id}'] td").nth(5)).to_have_text(steps, timeout=WITHIN_MS)


def test_streams_that_break_come_back_by_themselves_with_what_was_missed(
    frail: Frail, pages: tuple[Page, Page, Page], tiny: TinyBundle
) -> None:
    runs, run, alerts = pages
    send(frail.service, "breaks", [STEP])
    look_at_all(pages, "breaks")

    assert frail.service.kill("api") == 1
    expect_words(pages, "reconnecting…")
    frail.service.until_ready()
    send(frail.service, "breaks", [STEP, STEP])
    run_id, alert_id = alerting_run(frail.service, tiny)

    expect(runs.locator("#live")).to_have_text("live", timeout=WITHIN_MS)
    steps_in_list(runs, "breaks", "3")
    expect(runs.locator(f"tr[data-run='{run_id}']")).to_have_count(1)
    expect(run.locator("#step-list > li")).to_have_count(3, timeout=WITHIN_MS)
    expect(alerts.locator(f"tr[data-alert='{alert_id}']")).to_have_count(1, timeout=WITHIN_MS)


def test_redis_away_is_said_on_every_page_and_passes(
    chromium: Browser, frail: Frail, pages: tuple[Page, Page, Page]
) -> None:
    runs, run, _ = pages
    send(frail.service, "stays", [STEP])
    look_at_all(pages, "stays")
    with watched_page(chromium, url_of(frail.service), breaks=True) as late:
        frail.redis.kill()
        try:
            expect_words(pages, AWAY)
            answer = late.goto("/")
            assert answer is not None
            assert answer.status == 503
            expect(late.get_by_role("alert")).to_contain_text(AWAY)
        finally:
            frail.redis.start()
        frail.service.until_ready()
        expect_live(pages)
        send(frail.service, "stays", [STEP])

        steps_in_list(runs, "stays", "2")
        expect(run.locator("#step-list > li")).to_have_count(2, timeout=WITHIN_MS)
        steps_in_list(late, "stays", "2")


def test_without_content_a_run_shows_its_figures_and_says_that_no_raw_step_is_kept(
    chromium: Browser, frail: Frail, tiny: TinyBundle
) -> None:
    run_id, _ = alerting_run(frail.service, tiny)
    with watched_page(chromium, url_of(frail.service)) as page:
        page.goto(f"/runs/{run_id}")
        page.locator("#step-0 > details > summary").click()

        expect(page.locator("#step-0 .inside")).to_contain_text("This service keeps no content")
        expect(page.locator("#step-0 > details > summary")).to_contain_text("risk")
        expect(page.locator("#alerts tbody tr")).to_have_count(1)
