"""The list of runs in a browser: live, filtered, and safe from what agents write."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import orjson
import pytest
from playwright.sync_api import Browser, Page, expect

from service.pages.formats import percent
from tests.pages.browser import DESKTOP, PHONE, Scheme, check_accessible, check_fits, watched_page
from tests.pages.conftest import url_of
from tests.pages.runs import HOSTILE_TEXTS, STEP, alerting_steps, send
from tests.service.live import Service, running
from tests.tiny_bundle import TinyBundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_run_appears_and_its_steps_count_up_while_one_looks(service: Service, page: Page) -> None:
    page.goto("/?search=appears&sort=newest")
    expect(page.get_by_text("No run")).to_be_visible()

    send(service, "appears-1", [STEP])
    row = page.get_by_role("row").filter(has_text="appears-1")
    expect(row).to_be_visible()
    expect(row.get_by_role("cell").nth(5)).to_have_text("1")
    send(service, "appears-1", [STEP, STEP])
    expect(row.get_by_role("cell").nth(5)).to_have_text("3")


def test_a_run_that_ends_leaves_the_list_of_live_ones(service: Service, page: Page) -> None:
    send(service, "leaves-1", [STEP])
    page.goto("/?search=leaves-1")
    row = page.get_by_role("row").filter(has_text="leaves-1")
    expect(row).to_be_visible()

    service.http.post("/v1/runs/leaves-1/outcome", json={"success": True}).raise_for_status()

    expect(row).to_have_count(0)
    page.get_by_label("State").select_option("succeeded")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(row).to_be_visible()


def test_filters_show_only_what_was_asked_for_and_stay_so_while_steps_come(
    service: Service, page: Page, tiny: TinyBundle
) -> None:
    risks = {}
    for name, agent in (("filtered-1", "desk"), ("filtered-2", "shop"), ("filtered-3", "desk")):
        service.http.put(f"/v1/runs/{name}", json={"agent": agent}).raise_for_status()
        send(service, name, alerting_steps(tiny) if name == "filtered-1" else [STEP])
        risks[name] = service.http.get(f"/v1/runs/{name}").json()["risk"]
    [high, *low] = risks.values()
    assert high > max(low)
    names = page.locator("tbody tr td:first-child")
    page.goto("/?search=filtered-&sort=newest")
    expect(names).to_have_text(["filtered-3", "filtered-2", "filtered-1"])

    page.get_by_label("Agent").fill("desk")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(names).to_have_text(["filtered-3", "filtered-1"])
    expect(page.locator("#live")).to_have_text("live")
    for name in risks:
        send(service, name, [STEP])
    expect(page.locator("tr[data-run=filtered-3] td").nth(5)).to_have_text("2")
    expect(names).to_have_text(["filtered-3", "filtered-1"])

    high = service.http.get("/v1/runs/filtered-1").json()["risk"]
    lower = max(service.http.get(f"/v1/runs/{name}").json()["risk"] for name in ("filtered-2", "filtered-3"))
    page.goto("/?search=filtered-")
    page.get_by_label("Risk from").fill(f"{(high + lower) / 2:.3f}")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(names).to_have_text(["filtered-1"])

    monitor_id = service.http.get("/v1/runs/filtered-1").json()["monitor_id"]
    page.goto("/?search=filtered-&sort=newest")
    page.get_by_label("Monitor").fill(monitor_id)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(names).to_have_text(["filtered-3", "filtered-2", "filtered-1"])
    page.get_by_label("Monitor").fill("m-of-nobody")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("No run is like this now")).to_be_visible()


def test_what_agents_write_stays_text(service: Service, page: Page) -> None:
    for number, text in enumerate(HOSTILE_TEXTS):
        name = f"as-text-{number}"
        said = {"agent": text[:200], "task": text[:200], "tags": {"note": text[:200]}}
        service.http.put(f"/v1/runs/{name}", json=said).raise_for_status()
        send(service, name, [{"role": "assistant", "content": text, "tool_calls": []}])

    page.goto("/?search=as-text-")

    expect(page.locator("tbody tr")).to_have_count(len(HOSTILE_TEXTS))
    expect(page.locator("tbody tr").first).to_contain_text("ago")
    for number, text in enumerate(HOSTILE_TEXTS[:5]):
        assert text[:40] in (page.locator(f"tr[data-run=as-text-{number}] .agent").text_content() or "")


def test_the_list_works_without_javascript(chromium: Browser, service: Service) -> None:
    send(service, "plain-1", [STEP])
    with watched_page(chromium, url_of(service), javascript=False) as page:
        page.goto("/?search=plain-1")
        page.get_by_role("link", name="plain-1").click()
        expect(page.get_by_role("heading", name="plain-1")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_list_is_accessible_and_fits(
    chromium: Browser, service: Service, scheme: Scheme, size: dict[str, int]
) -> None:
    send(service, "accessible-1", [STEP, STEP])
    with watched_page(chromium, url_of(service), size=size, scheme=scheme) as page:
        page.goto("/")
        expect(page.locator("#live")).to_have_text("live")
        check_accessible(page)
        check_fits(page)


def test_a_run_is_reached_by_keyboard_alone(service: Service, page: Page) -> None:
    send(service, "keys-1", [STEP])
    page.goto("/?search=keys-1")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "keys-1":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/keys-1")


def test_runs_beyond_the_first_page_are_reached_and_stay_live(chromium: Browser, service: Service, page: Page) -> None:
    lines = b"\n".join(orjson.dumps({"run_id": f"many-{number:02d}", "step": STEP}) for number in range(53))
    headers = {"Content-Type": "application/x-ndjson"}
    service.http.post("/v1/steps?wait=score&timeout_ms=10000", content=lines, headers=headers).raise_for_status()
    with watched_page(chromium, url_of(service), javascript=False) as plain:
        plain.goto("/?search=many-&sort=newest")
        expect(plain.locator("tbody tr")).to_have_count(50)
        plain.get_by_role("link", name="Next").click()
        expect(plain.locator("tbody tr")).to_have_count(3)
        expect(plain.locator("#places")).to_have_text("51 – 53")
        expect(plain.get_by_role("link", name="Next")).to_have_count(0)
        plain.get_by_role("link", name="Top").click()
        expect(plain.locator("tbody tr")).to_have_count(50)

    page.goto("/?search=many-&sort=newest&first=50")
    expect(page.locator("#live")).to_have_text("live")
    send(service, "many-53", [STEP])
    expect(page.locator("#places")).to_have_text("51 – 54")
    expect(page.locator("tbody tr")).to_have_count(4)

    page.goto("/?search=many-&first=100")
    expect(page.get_by_role("link", name="To its top")).to_be_visible()


RUNS, STEPS_PER_S = 10_000, 2_000
A_REQUEST = 200


@pytest.fixture(scope="module")
def fleet(tiny: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with ten thousand live runs."""
    with running(tmp_path_factory.mktemp("fleet"), "--bundle", str(tiny.path)) as service:
        service.until_ready()
        send_round(service.http, range(RUNS))
        service.until_scored(f"fleet-{RUNS - 1}", 1)
        yield service


@contextmanager
def fleet_page(chromium: Browser, fleet: Service, sort: str) -> Iterator[Page]:
    """The list in this order, with all runs in it; `window.longest` is the longest task of its main thread (ms)."""
    with watched_page(chromium, url_of(fleet)) as page:
        page.add_init_script(
            "window.longest = 0; new PerformanceObserver((list) => { for (const task of list.getEntries()) "
            "window.longest = Math.max(window.longest, task.duration); })"
            ".observe({type: 'longtask', buffered: true});"
        )
        page.goto(f"/?sort={sort}")
        expect(page.locator("#known")).to_have_text(re.compile(r"10,0\d\d"), timeout=20_000)
        yield page


def check_quick(load: Load, waits: list[float], longest: float) -> None:
    """Raises AssertionError where the page was slow, or had less to show than it should have."""
    print(f"longest task {longest:.0f} ms; a new step is seen after {max(waits):.2f} s; {load.rate():.0f} steps/s")
    assert load.failure == ""
    assert load.rate() >= 0.9 * STEPS_PER_S
    assert len(waits) >= 3
    assert max(waits) <= 2.0
    assert longest <= 200


@pytest.mark.timeout(300)
def test_ten_thousand_live_runs_at_two_thousand_steps_a_second(chromium: Browser, fleet: Service) -> None:
    with fleet_page(chromium, fleet, "newest") as page:
        load = Load(url_of(fleet), 10.0)
        load.start()
        waits = []
        while load.is_alive() and len(waits) < 6:
            began = time.monotonic()
            name = f"probe-{len(waits)}"
            send(fleet, name, [STEP])
            expect(page.get_by_role("link", name=name)).to_be_visible(timeout=5000)
            waits.append(time.monotonic() - began)
            time.sleep(0.5)
        load.join()
        check_quick(load, waits, page.evaluate("window.longest"))


@pytest.mark.timeout(300)
def test_ten_thousand_live_runs_by_risk_with_one_whose_risk_changes(
    chromium: Browser, fleet: Service, tiny: TinyBundle
) -> None:
    steps = alerting_steps(tiny)
    send(fleet, "riser", steps)
    with fleet_page(chromium, fleet, "risk") as page:
        cells = page.locator("tr[data-run=riser] td")
        expect(cells.nth(5)).to_have_text(str(len(steps)), timeout=20_000)
        load = Load(url_of(fleet), 6.0)
        load.start()
        waits, risks = [], set()
        while load.is_alive() and len(waits) < 4:
            began = time.monotonic()
            # Calls that fail again and again: the run stays among the riskiest.
            send(fleet, "riser", [steps[-2 + len(waits) % 2]])
            expect(cells.nth(5)).to_have_text(str(len(steps) + len(waits) + 1), timeout=5000)
            waits.append(time.monotonic() - began)
            risk = fleet.http.get("/v1/runs/riser").json()["risk"]
            risks.add(risk)
            expect(cells.nth(2)).to_have_text(percent(risk), timeout=100)
        load.join()
        check_quick(load, waits, page.evaluate("window.longest"))
        assert len(risks) > 1


def send_round(http: httpx.Client, numbers: range) -> None:
    """A step of each run, so many runs a request."""
    for first in range(numbers.start, numbers.stop, A_REQUEST):
        lines = [
            {"run_id": f"fleet-{number}", "step": STEP} for number in range(first, min(first + A_REQUEST, numbers.stop))
        ]
        body = b"\n".join(map(orjson.dumps, lines))
        for _ in range(50):
            answer = http.post("/v1/steps", content=body, headers={"Content-Type": "application/x-ndjson"})
            if answer.status_code == 202:
                break
            time.sleep(0.2)
        assert answer.status_code == 202, answer.text


class Load(threading.Thread):
    """2,000 steps a second for so long, of all runs in turn."""

    def __init__(self, url: str, lasts_s: float) -> None:
        super().__init__(daemon=True)
        self._url, self._lasts_s = url, lasts_s
        self._sent = 0
        self._took_s = 1.0
        self.failure = ""

    def run(self) -> None:
        began = time.monotonic()
        try:
            with httpx.Client(base_url=self._url, timeout=30) as http:
                while (now := time.monotonic() - began) < self._lasts_s:
                    first = self._sent % RUNS
                    send_round(http, range(first, first + A_REQUEST))
                    self._sent += A_REQUEST
                    time.sleep(max(0.0, self._sent / STEPS_PER_S - (time.monotonic() - began)))
                    self._took_s = max(now, self._sent / STEPS_PER_S)
        except Exception as error:  # noqa: BLE001 - told by the test
            self.failure = repr(error)
        self._took_s = time.monotonic() - began

    def rate(self) -> float:
        """Steps a second, once it is over."""
        return self._sent / self._took_s
