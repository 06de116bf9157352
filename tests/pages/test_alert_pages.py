"""The pages of alerts, in Chromium: live, filtered, acknowledged with and without JavaScript, and hostile notes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.browser import DESKTOP, PHONE, Scheme, check_accessible, check_fits, watched_page
from tests.pages.conftest import url_of
from tests.pages.runs import HOSTILE, LONG, alerting_run
from tests.service.live import Service
from tests.tiny_bundle import TinyBundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_new_alert_appears_at_the_top_and_is_told_of(service: Service, page: Page, tiny: TinyBundle) -> None:
    page.goto("/alerts")
    expect(page.locator("#said")).to_contain_text("Live")

    run_id, alert_id = alerting_run(service, tiny)

    row = page.locator(f"#alerts tr[data-alert='{alert_id}']")
    expect(row).to_contain_text(run_id)
    expect(page.locator("#alerts tbody tr").first).to_have_attribute("data-alert", alert_id)
    expect(page.locator("#said")).to_contain_text(run_id)


def test_from_the_list_to_the_alert_to_the_step_in_its_run(service: Service, page: Page, tiny: TinyBundle) -> None:
    _, alert_id = alerting_run(service, tiny)
    alert = service.http.get(f"/v1/alerts/{alert_id}").json()
    page.goto("/alerts")
    page.locator(f"tr[data-alert='{alert_id}'] td a").first.click()
    expect(page.get_by_role("heading", name="What moved the score")).to_be_visible()

    page.get_by_role("link", name="The run, at step").click()

    expect(page.locator(f"#step-{alert['position']} > details")).to_have_attribute("open", "")


def test_who_takes_note_and_why_is_shown_without_javascript_too(
    chromium: Browser, service: Service, tiny: TinyBundle
) -> None:
    _, alert_id = alerting_run(service, tiny)
    with watched_page(chromium, url_of(service), javascript=False) as page:
        page.goto(f"/alerts/{alert_id}")
        page.get_by_label("Who").fill("ann")
        page.get_by_label("Note", exact=True).fill("on it")
        page.get_by_role("button", name="Acknowledge").click()

        expect(page.locator(".done")).to_contain_text("ann took note")
        expect(page.locator(".note")).to_have_text("on it")
    assert service.http.get(f"/v1/alerts/{alert_id}").json()["acknowledgement"]["by"] == "ann"


def test_acknowledged_from_the_list_leads_back_to_the_same_filter(
    service: Service, page: Page, tiny: TinyBundle
) -> None:
    _, alert_id = alerting_run(service, tiny)
    page.goto("/alerts?state=warning")
    page.locator(f"tr[data-alert='{alert_id}'] button").click()

    page.wait_for_url("**/alerts?state=warning")
    expect(page.locator(f"tr[data-alert='{alert_id}']")).to_have_count(0)


def test_filters_show_only_what_was_asked_for(service: Service, page: Page, tiny: TinyBundle) -> None:
    _, alert_id = alerting_run(service, tiny)
    service.http.post(f"/v1/alerts/{alert_id}/acknowledge").raise_for_status()
    page.goto("/alerts")
    page.get_by_label("State").select_option("acknowledged")
    page.get_by_role("button", name="Show").click()

    expect(page.locator(f"tr[data-alert='{alert_id}']")).to_have_count(1)
    states = set(page.locator("#alerts tbody td:nth-child(3)").all_inner_texts())
    assert states == {"acknowledged"}


def test_a_note_that_is_too_long_is_told_of_and_not_lost(service: Service, page: Page, tiny: TinyBundle) -> None:
    _, alert_id = alerting_run(service, tiny)
    page.goto(f"/alerts/{alert_id}")
    page.locator("#note").evaluate("(box) => box.removeAttribute('maxlength')")
    page.get_by_label("Note", exact=True).fill("n" * 2001)
    page.get_by_role("button", name="Acknowledge").click()

    expect(page.get_by_role("alert")).to_contain_text("2000 characters at most")
    assert page.get_by_label("Note", exact=True).input_value() == "n" * 2001


def test_hostile_notes_and_names_stay_texts(service: Service, page: Page, tiny: TinyBundle) -> None:
    _, alert_id = alerting_run(service, tiny)
    page.goto(f"/alerts/{alert_id}")
    page.get_by_label("Who").fill(HOSTILE[:180])
    page.get_by_label("Note", exact=True).fill(HOSTILE + LONG[:1500])
    page.get_by_role("button", name="Acknowledge").click()

    expect(page.locator(".note")).to_contain_text("<script>alert(1)</script>")
    assert page.locator("main script, main img, main [onerror]").count() == 0
    check_fits(page)
    page.goto("/alerts")
    check_fits(page)


def test_alerts_on_a_phone_are_cards_with_each_figures_name_live_ones_too(
    chromium: Browser, service: Service, tiny: TinyBundle
) -> None:
    alerting_run(service, tiny)
    with watched_page(chromium, url_of(service), size=PHONE) as page:
        page.goto("/alerts")
        expect(page.locator("#said")).to_contain_text("Live")
        _, alert_id = alerting_run(service, tiny)
        row = page.locator(f"tr[data-alert='{alert_id}']")
        expect(row.locator("td").nth(7)).to_have_attribute("data-title", "Failure")
        region = page.get_by_role("region", name="Table of alerts")
        assert region.evaluate("(box) => box.scrollWidth <= box.clientWidth")
        expect(row.get_by_role("button")).to_be_in_viewport()


def test_an_unknown_alert_is_told_in_words(page: Page) -> None:
    answer = page.goto("/alerts/alert_nobody")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("alert")).to_contain_text("there is no alert")


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")])
def test_the_list_and_an_alert_are_accessible_and_fit(
    chromium: Browser, service: Service, tiny: TinyBundle, size: dict[str, int], scheme: Scheme
) -> None:
    _, alert_id = alerting_run(service, tiny)
    with watched_page(chromium, url_of(service), size=size, scheme=scheme) as page:
        for address in ("/alerts", f"/alerts/{alert_id}", "/alerts?state=closed&severity=info"):
            page.goto(address)
            check_accessible(page)
            check_fits(page)
