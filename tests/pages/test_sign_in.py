"""Signing in with a key, and what no other site's page can do."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from service.api.browsers import COOKIE
from tests.pages.browser import PHONE, Scheme, check_accessible, check_fits, watched_page
from tests.pages.conftest import OPERATOR_KEY, url_of
from tests.service.live import Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def page(chromium: Browser, guarded: Service) -> Iterator[Page]:
    with watched_page(chromium, url_of(guarded)) as page:
        yield page


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def make_key(service: Service, kind: str) -> str:
    token = str(service.http.post("/v1/keys", json={"kind": kind}).raise_for_status().json()["token"])
    headers = {"Authorization": f"Bearer {token}"}
    service.until(
        lambda: service.http.get("/v1/keys", headers=headers).status_code in {200, 403}, 10, "open to the key"
    )
    return token


def test_whoever_is_not_signed_in_is_led_to_the_form_and_back(page: Page) -> None:
    page.goto("/alerts?state=warning")
    expect(page).to_have_title("Sign in · forewarn")

    sign_in(page, OPERATOR_KEY)

    page.wait_for_url("**/alerts?state=warning")


def test_a_wrong_key_is_told_and_not_kept(page: Page) -> None:
    page.goto("/sign-in")
    sign_in(page, "rk_wrong")

    expect(page.get_by_role("alert")).to_contain_text("unknown")
    assert page.context.cookies() == []
    assert "rk_wrong" not in page.content()


def test_a_read_key_is_told_in_words_what_it_is_not_for_and_shown_no_way_there(guarded: Service, page: Page) -> None:
    page.goto("/sign-in?next=/webhooks")
    sign_in(page, make_key(guarded, "read"))

    expect(page.get_by_role("heading")).to_have_text("The API key is not for this")
    assert page.get_by_role("navigation").get_by_role("link").all_inner_texts() == ["Runs", "Alerts", "Monitors"]


def test_an_ingest_key_cannot_look(guarded: Service, page: Page) -> None:
    page.goto("/sign-in")
    sign_in(page, make_key(guarded, "ingest"))

    expect(page.get_by_role("alert")).to_contain_text("scope `read`")


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_gone_after_signing_out(
    guarded: Service, page: Page
) -> None:
    page.goto("/sign-in?next=/webhooks")
    sign_in(page, make_key(guarded, "read"))
    page.wait_for_url("**/webhooks")

    [cookie] = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    assert page.context.cookies() == []


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_other_site(page: Page, address: str) -> None:
    page.goto(f"/sign-in?next={address}")
    assert page.locator("input[name=next]").get_attribute("value") == "/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Origin": "own"}, 202),
    ],
)
def test_with_the_cookie_only_this_hosts_own_pages_change_anything(
    guarded: Service, headers: dict[str, str], status: int
) -> None:
    url = url_of(guarded)
    said = {name: url if value == "own" else value for name, value in headers.items()}
    answer = httpx.post(
        f"{url}/v1/runs/by-cookie/steps", json={"role": "user"}, headers=said, cookies={COOKIE: OPERATOR_KEY}
    )
    assert answer.status_code == status, answer.text


def test_without_keys_too_other_sites_change_nothing_while_programs_do(service: Service) -> None:
    path = "/v1/runs/by-anybody/steps"
    assert service.http.post(path, json={}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert service.http.post(path, json={"role": "user"}).status_code == 202


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_is_accessible_and_fits_a_phone(chromium: Browser, guarded: Service, scheme: Scheme) -> None:
    with watched_page(chromium, url_of(guarded), size=PHONE, scheme=scheme) as page:
        page.goto("/sign-in")
        sign_in(page, "wrong")
        expect(page.get_by_role("alert")).to_be_visible()
        check_accessible(page)
        check_fits(page)
        page.keyboard.press("Tab")


def test_a_style_that_did_not_change_is_not_sent_again(guarded: Service) -> None:
    first = httpx.get(f"{url_of(guarded)}/static/forewarn.css")
    again = httpx.get(f"{url_of(guarded)}/static/forewarn.css", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


def test_whoever_guesses_keys_is_told_to_wait_while_others_sign_in(guarded: Service, page: Page) -> None:
    url = url_of(guarded)
    # From another address of this machine: each address has tries of its own.
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2"), headers={"Origin": url}) as guesser:
        answers = [guesser.post(f"{url}/sign-in", data={"key": f"guess-{number}"}) for number in range(40)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[:20] == [401] * 20
        assert 429 in statuses
        refused = answers[statuses.index(429)]
        assert "guess-" not in refused.text
        assert int(refused.headers["retry-after"]) >= 1
        shown = refused.text

    page.route("**/shown", lambda route: route.fulfill(body=shown, content_type="text/html"))
    page.goto("/shown")
    expect(page.get_by_role("alert")).to_contain_text("wrong keys")
    page.goto("/sign-in")
    sign_in(page, OPERATOR_KEY)
    page.wait_for_url("**/")
