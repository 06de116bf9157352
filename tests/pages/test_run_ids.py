"""Run ids as odd as may be, and those that may not be, in Chromium: from the list to the run, its alert and back."""

from __future__ import annotations

from urllib.parse import quote

import orjson
import pytest
from playwright.sync_api import Page, expect

from tests.pages.browser import PHONE, check_fits
from tests.pages.runs import STEP, address_of, alerting_run
from tests.service.live import Service
from tests.tiny_bundle import TinyBundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LINES = {"Content-Type": "application/x-ndjson"}
ALLOWED = ("0", "odd..", "a..b..c", "odd#step-1", "odd+1,2=3", "odd:~@_-.", "odd#7", "o" * 200)
REFUSED = (
    "..",
    ".",
    "a/b",
    "a/../b",
    "a\\b",
    "%2e%2e",
    "100%",
    "läuft",
    "\u202egnp.exe",
    "a b",
    "a\nb",
    "\"' onmouseover='alert(1)",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)/",
    "x" * 201,
)


@pytest.mark.parametrize("run_id", ALLOWED, ids=[one[:12] for one in ALLOWED])
def test_a_run_is_reached_from_the_list_and_from_its_alert_whatever_it_is_called(
    service: Service, page: Page, tiny: TinyBundle, run_id: str
) -> None:
    _, alert_id = alerting_run(service, tiny, run_id)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]

    page.goto("/alerts")
    row = page.locator(f"tr[data-alert='{alert_id}']")
    check_fits(page)
    row.locator("a[href^='/alerts/']").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Alert of {run_id}")
    check_fits(page)
    page.get_by_role("link", name="The run, at step").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Run {run_id}")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#step-list > li")).not_to_have_count(0)
    expect(page.locator("details[open] .inside [role=status]")).to_have_count(0)
    check_fits(page)

    page.goto(f"/?search={quote(run_id)}&sort=newest")
    expect(page.locator("#live")).to_have_text("live")
    check_fits(page)
    page.get_by_role("link", name=run_id, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Run {run_id}")

    page.get_by_role("button", name="Acknowledge the alert").click()
    expect(page.locator("#state")).to_have_text("acknowledged")
    assert service.http.delete(address_of(run_id)).status_code == 202


def test_other_ids_are_refused_at_every_door_and_told_of_as_text(service: Service, page: Page) -> None:
    for run_id in REFUSED:
        sent = service.http.post(f"{address_of(run_id)}/steps", json=STEP)
        said = service.http.put(address_of(run_id), json={"agent": "x"})
        assert (sent.is_client_error, said.is_client_error) == (True, True), run_id
        line = service.http.post("/v1/steps", content=orjson.dumps({"run_id": run_id, "step": STEP}), headers=LINES)
        assert line.is_client_error, run_id
        assert "a run id has 1 to 200 characters" in line.text, run_id

        answer = page.goto(f"/runs/{quote(run_id, safe='')}")
        assert answer is not None
        # A browser takes dots for folders, and asks for what is there.
        assert answer.status in ({200, 404} if run_id in {".", ".."} else {400, 404}), run_id
        page.goto(f"/?search={quote(run_id, safe='')}&agent={quote(run_id, safe='')}&state=all")
        expect(page.get_by_label("Agent")).to_have_value(run_id.replace("\n", "")[:200])
        expect(page.locator("#empty")).to_be_visible()
        check_fits(page)
