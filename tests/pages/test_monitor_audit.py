"""What an auditor sees on a monitor's page, in Chromium: the automaton's picture, states, symbols; all hostile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from monitors.bundle import read_monitor_id
from tests.pages.audited_bundle import EVIL_PICTURE, write_audited
from tests.pages.browser import DESKTOP, PHONE, Scheme, check_accessible, check_fits, watched_page
from tests.pages.conftest import url_of
from tests.service.live import Service
from tests.tiny_bundle import TinyBundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def audited(service: Service, tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The id of a registered monitor with an audit."""
    bundle = write_audited(tiny.path, tmp_path_factory.mktemp("audited") / "bundle", 0.31)
    service.http.post("/v1/monitors", json={"path": str(bundle)}).raise_for_status()
    yield read_monitor_id(bundle)
    service.http.delete(f"/v1/monitors/{read_monitor_id(bundle)}")


def test_the_picture_is_shown_with_what_it_says_in_words(page: Page, audited: str) -> None:
    page.goto(f"/monitors/{audited}")
    picture = page.get_by_role("img", name="The automaton: 3 states")

    expect(picture).to_be_visible()
    assert picture.evaluate("async image => { await image.decode(); return image.naturalWidth; }") == 400
    expect(page.get_by_role("region", name="Table of states")).to_contain_text("e1 → s2")


def test_states_come_with_risk_support_and_examples_the_worst_on_held_out_runs_first(page: Page, audited: str) -> None:
    page.goto(f"/monitors/{audited}")
    rows = page.get_by_role("region", name="Table of states").locator("tbody tr")

    expect(rows.locator("th")).to_have_text(["s2", "s1", "s0 start"])
    expect(rows.nth(1)).to_contain_text("50 (200)")
    expect(rows.nth(1)).to_contain_text("70 %")
    rows.nth(1).locator("summary").click()
    expect(rows.nth(1).locator(".turn")).to_contain_text("turn 2 of")


def test_symbols_come_with_words_tools_and_examples(page: Page, audited: str) -> None:
    page.goto(f"/monitors/{audited}")
    table = page.get_by_role("region", name="Table of event symbols")

    expect(table.locator("tbody th")).to_have_text(["e0", "e1", "e3"])
    expect(table.locator("tbody tr").first).to_contain_text("×3.2")
    expect(table.locator("tbody tr").nth(1)).to_contain_text("none stands out")
    expect(page.get_by_text("No turn has e2.")).to_be_visible()


def test_probabilities_are_drawn_against_what_came_with_the_figures_beside(page: Page, audited: str) -> None:
    page.goto(f"/monitors/{audited}")
    chart = page.get_by_role("img", name="Failing in the end")

    expect(chart.locator("circle")).to_have_count(5)
    expect(chart.locator(".measured line")).to_have_count(5)
    page.locator("#bins-failure summary").click()
    expect(page.get_by_role("region", name="Failing in the end: figures").locator("tbody tr")).to_have_count(5)
    expect(page.get_by_role("img", name="Failing within 3 turns")).to_be_visible()


def test_an_evaluations_figures_stand_beside_their_floor_and_beside_live_ones(page: Page, audited: str) -> None:
    page.goto(f"/monitors/{audited}")

    table = page.get_by_role("region", name="Table of metrics")
    expect(table.locator("tbody tr")).to_contain_text(["0.710"])
    expect(table).to_contain_text("0.600 – 0.800")
    expect(page.get_by_role("region", name="What live runs say")).to_contain_text("evaluation 38 %")
    expect(page.get_by_text("these figures flatter it")).to_be_visible()


def test_hostile_texts_of_an_audit_stay_texts(page: Page, audited: str) -> None:
    page.goto(f"/monitors/{audited}")
    for details in page.locator(".audit details").all():
        details.locator("summary").click()

    assert page.locator("main [onerror], main [onload], main script, main img:not([alt])").count() == 0
    expect(page.locator(".turn").first).to_contain_text("<script>alert(1)</script>")
    check_fits(page)


def test_a_picture_that_is_opened_on_its_own_runs_nothing_and_asks_nobody(
    chromium: Browser, service: Service, audited: str
) -> None:
    context = chromium.new_context(base_url=url_of(service))
    opened = context.new_page()
    happened: list[str] = []
    opened.on("dialog", lambda dialog: (happened.append(dialog.message), dialog.dismiss()))
    opened.on("requestfinished", lambda request: happened.append(request.url))

    opened.goto(f"/monitors/{audited}/automaton.svg")
    opened.wait_for_timeout(300)

    assert [one for one in happened if "automaton.svg" not in one] == []
    assert opened.locator("text").evaluate("one => getComputedStyle(one).fill") == "rgb(0, 128, 128)"
    context.close()


def test_a_picture_is_fetched_once(service: Service, audited: str) -> None:
    answer = service.http.get(f"/monitors/{audited}/automaton.svg")
    again = service.http.get(answer.url.path, headers={"If-None-Match": answer.headers["etag"]})

    assert (answer.content, answer.headers["content-type"]) == (EVIL_PICTURE, "image/svg+xml")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (again.status_code, again.content) == (304, b"")


def test_a_bundle_that_was_never_audited_says_what_to_do(page: Page, tiny: TinyBundle) -> None:
    page.goto(f"/monitors/{read_monitor_id(tiny.path)}")
    expect(page.locator("#no-automaton")).to_contain_text("forewarn audit BUNDLE --data RUNS")
    expect(page.locator("#no-evaluation")).to_contain_text("forewarn evaluate BUNDLE RUNS")
    expect(page.get_by_role("img", name="Failing in the end")).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")])
def test_an_audited_monitor_is_accessible_and_fits(
    chromium: Browser, service: Service, audited: str, size: dict[str, int], scheme: Scheme
) -> None:
    with watched_page(chromium, url_of(service), size=size, scheme=scheme) as page:
        page.goto(f"/monitors/{audited}")
        page.locator(".audit summary").first.click()
        page.locator("#bins-failure summary").click()
        check_accessible(page)
        check_fits(page)
