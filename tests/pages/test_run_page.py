"""The page of one run, in Chromium: live, by keyboard, with hostile texts, and when something is missing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.browser import DESKTOP, PHONE, Scheme, check_accessible, check_fits, watched_page
from tests.pages.conftest import url_of
from tests.pages.runs import HOSTILE, LONG, STEP, alerting_run, alerting_steps, hostile_steps, new_run, send
from tests.service.live import Service
from tests.tiny_bundle import TinyBundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
# Where the chart draws 0 %, 25 %, … 100 %.
AXIS = (
    "() => [...document.querySelectorAll('#chart path.axis')]"
    ".map((one) => /^M\\S+ ([\\d.]+)/.exec(one.getAttribute('d'))[1])"
)


def test_steps_that_come_are_drawn_and_listed_at_once(service: Service, page: Page, tiny: TinyBundle) -> None:
    run_id, steps = new_run("live"), tiny.corpus.runs[0]
    send(service, run_id, steps[:1])
    page.goto(f"/runs/{run_id}")
    expect(page.locator("#step-list > li")).to_have_count(1)
    before = page.locator("#chart path.risk").get_attribute("d")

    send(service, run_id, steps[1:4])

    expect(page.locator("#step-list > li")).to_have_count(4)
    expect(page.locator("#chart")).to_have_attribute("aria-valuemax", "3")
    expect(page.locator("#steps")).to_have_text("4")
    assert page.locator("#chart path.risk").get_attribute("d") != before


def test_an_alert_that_opens_appears_and_is_marked_and_told_of(service: Service, page: Page, tiny: TinyBundle) -> None:
    steps = alerting_steps(tiny)
    position = len(steps) - 1
    run_id = new_run("will-alert")
    send(service, run_id, steps[:-1])
    page.goto(f"/runs/{run_id}")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#alerts")).to_be_hidden()

    send(service, run_id, steps[-1:])

    expect(page.locator("#alerts tbody tr")).to_have_count(1)
    expect(page.locator("#chart circle.alert")).to_have_count(1)
    expect(page.locator("#announce")).to_contain_text(f"at step {position}")
    page.get_by_role("button", name="Acknowledge the alert").click()
    expect(page.locator("#state")).to_have_text("acknowledged")


def test_the_threshold_that_is_drawn_is_the_one_that_the_alert_crossed(
    service: Service, page: Page, tiny: TinyBundle
) -> None:
    run_id, _ = alerting_run(service, tiny)
    page.goto(f"/runs/{run_id}")
    expect(page.locator("#chart circle.alert").first).to_be_visible()

    scores = service.http.get(f"/v1/runs/{run_id}").json()["scores"]
    told = page.evaluate("JSON.parse(document.getElementById('told').textContent)")
    opens, min_turns = told["line"]["opens"], told["line"]["min_turns"]
    warned = False
    for score in scores:
        at = opens[min(score["turn"], len(opens) - 1)]
        above = score["turn"] >= min_turns and score["failure_probability"] > at
        assert score["alert"] == (above and not warned)
        warned = score["state"] == "warning"


def test_the_chart_is_read_by_keyboard_and_leads_to_the_step(service: Service, page: Page, tiny: TinyBundle) -> None:
    run_id = new_run("keys")
    send(service, run_id, tiny.corpus.runs[1])
    page.goto(f"/runs/{run_id}")
    chart = page.get_by_role("slider", name="Step of the run")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("risk"))

    chart.focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r"^Step 2, turn \d+: risk .* threshold .* symbol \d+"))
    expect(page.locator("#readout")).to_contain_text("Step 2, turn")
    page.keyboard.press("Enter")

    expect(page.locator("#step-2 > details")).to_have_attribute("open", "")
    assert page.evaluate("document.activeElement.closest('li').id") == "step-2"


def test_ten_thousand_steps_are_drawn_with_few_points_and_listed_by_pages(
    service: Service, page: Page, tiny: TinyBundle
) -> None:
    run_id = new_run("long")
    steps = [*tiny.corpus.runs[0], *[STEP] * 500]
    steps = [steps[place % len(steps)] for place in range(10_000)]
    for first in range(0, len(steps), 500):
        service.http.post(f"/v1/runs/{run_id}/steps", json=steps[first : first + 500]).raise_for_status()
    service.until_scored(run_id, 10_000)
    scores = [
        score
        for first in (0, 5000)
        for score in service.http.get(f"/v1/runs/{run_id}?first={first}&limit=5000").json()["scores"]
    ]

    page.goto(f"/runs/{run_id}")

    expect(page.locator("#where")).to_have_text("9,975 – 9,999 of 10,000")
    points = page.locator("#chart path.risk").get_attribute("d") or ""
    assert points.count("L") < 5000
    heights = [float(one) for one in re.findall(r"[ML][\d.]+ ([\d.]+)", points)]
    axis = [float(one) for one in page.evaluate(AXIS)]
    drawn = [(axis[0] - height) / (axis[0] - axis[-1]) for height in (max(heights), min(heights))]
    risks = [score["risk"] for score in scores]
    assert drawn == pytest.approx([min(risks), max(risks)], abs=0.01), "no peak is lost"
    assert page.locator("#step-list > li").count() == 25
    drawn_ms = page.evaluate(
        "() => { const begun = performance.now(); window.dispatchEvent(new Event('resize'));"
        " location.hash = '#step-5000'; return performance.now() - begun; }"
    )
    expect(page.locator("#step-5000 > details")).to_have_attribute("open", "")
    assert drawn_ms < 1000


def test_hostile_texts_stay_texts_everywhere(service: Service, page: Page) -> None:
    run_id, text = new_run("hostile"), HOSTILE + LONG
    said = {
        "agent": HOSTILE[:200],
        "task": HOSTILE + LONG[:1500],
        "tags": {HOSTILE[:100]: HOSTILE[:200], "t": "x" * 500},
    }
    service.http.put(f"/v1/runs/{run_id}", json=said).raise_for_status()
    send(service, run_id, hostile_steps(text))
    page.goto(f"/runs/{run_id}")
    expect(page.locator("#step-list > li")).to_have_count(5)

    for position in range(5):
        page.locator(f"#step-{position} > details > summary").click()
        expect(page.locator(f"#step-{position} .inside [role=status]")).to_have_count(0)

    assert page.locator("main img, main [onerror], main [onload], #step-list script").count() == 0
    expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
    check_fits(page)


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")])
def test_a_run_with_an_alert_is_accessible_and_fits(
    chromium: Browser, service: Service, tiny: TinyBundle, size: dict[str, int], scheme: Scheme
) -> None:
    run_id, _ = alerting_run(service, tiny)
    with watched_page(chromium, url_of(service), size=size, scheme=scheme) as page:
        page.goto(f"/runs/{run_id}")
        page.locator("#step-0 > details > summary").click()
        expect(page.locator("#step-0 .inside [role=status]")).to_have_count(0)
        check_accessible(page)
        check_fits(page)


def test_a_step_that_cannot_be_fetched_is_told_in_words_while_figures_stay(
    service: Service, page: Page, tiny: TinyBundle
) -> None:
    run_id = new_run("no-steps")
    send(service, run_id, tiny.corpus.runs[0][:2])
    page.route(re.compile(r"/steps\?"), lambda route: route.fulfill(status=404, json={"title": "No such page"}))
    page.goto(f"/runs/{run_id}")
    page.locator("#step-1 > details > summary").click()

    expect(page.locator("#step-1 .problem")).to_contain_text("No such page")
    expect(page.locator("#steps-said")).to_contain_text("Their figures are")


def test_a_run_that_is_not_there_is_told_in_words(page: Page) -> None:
    answer = page.goto("/runs/nobody-knows-it")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("alert")).to_contain_text("there is no run nobody-knows-it")


def test_a_run_without_steps_says_what_will_appear(service: Service, page: Page) -> None:
    run_id = new_run("empty")
    service.http.put(f"/v1/runs/{run_id}", json={"agent": "desk"}).raise_for_status()
    page.goto(f"/runs/{run_id}")

    expect(page.locator("#no-steps")).to_be_visible()
    expect(page.locator("#live")).to_have_text("live")
