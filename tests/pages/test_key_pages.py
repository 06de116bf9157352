"""The page of API keys, in Chromium: made and shown once, rotated, revoked, and closed to those who only read."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.browser import DESKTOP, PHONE, Scheme, check_accessible, check_fits, watched_page
from tests.pages.conftest import OPERATOR_KEY, url_of
from tests.service.live import Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def sign_in(page: Page, key: str) -> Page:
    page.goto("/sign-in?next=/keys")
    page.locator("input[type=password], input[name=key]").first.fill(key)
    page.get_by_role("button", name="Sign in").click()
    return page


def until_answered(service: Service, headers: dict[str, str], status: int) -> None:
    """Every process knows of a change to a key within about a second."""
    deadline = time.monotonic() + 10
    while service.http.get("/v1/runs", headers=headers).status_code != status:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def signed(chromium: Browser, guarded: Service) -> Iterator[Page]:
    with watched_page(chromium, url_of(guarded)) as page:
        yield sign_in(page, OPERATOR_KEY)


def test_a_key_is_shown_once_and_no_longer_good_once_revoked(guarded: Service, signed: Page) -> None:
    signed.get_by_label("Kind").select_option("read")
    signed.get_by_label("Name").fill(HOSTILE)
    signed.get_by_role("button", name="Make the key").click()
    token = signed.locator("#token").inner_text()
    headers = {"Authorization": f"Bearer {token}"}
    until_answered(guarded, headers, 200)
    assert token not in signed.url

    signed.goto("/keys")
    assert token not in signed.content()
    expect(signed.locator("#keys")).to_contain_text("<script>")
    row = signed.locator("#keys tbody tr").last
    row.get_by_text("Revoke", exact=True).click()
    row.get_by_role("button", name="Revoke").click()

    expect(signed.locator(".done")).to_contain_text("revoked")
    until_answered(guarded, headers, 401)


def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_is_kept(signed: Page) -> None:
    signed.get_by_label("Name").fill("the pager")
    signed.get_by_label("Expires in days").fill("-3")
    signed.get_by_role("button", name="Make the key").click()

    expect(signed.locator("#expires_in_days-fault")).to_contain_text("greater than 0")
    assert signed.get_by_label("Name").input_value() == "the pager"


def test_a_read_key_sees_no_keys(chromium: Browser, guarded: Service) -> None:
    token = guarded.http.post("/v1/keys", json={"kind": "read"}).json()["token"]
    until_answered(guarded, {"Authorization": f"Bearer {token}"}, 200)
    time.sleep(1.5)
    with watched_page(chromium, url_of(guarded)) as page:
        sign_in(page, token)
        answer = page.goto("/keys")
        assert answer is not None
        assert answer.status == 403
        expect(page.get_by_role("alert")).to_be_visible()
        assert page.locator("nav a[href='/keys']").count() == 0


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")])
def test_keys_and_monitors_are_accessible_and_fit(
    chromium: Browser, guarded: Service, size: dict[str, int], scheme: Scheme
) -> None:
    with watched_page(chromium, url_of(guarded), size=size, scheme=scheme) as page:
        sign_in(page, OPERATOR_KEY)
        monitor_id = guarded.http.get("/v1/monitors/active").json()["monitor_id"]
        for address in ("/keys", "/monitors", f"/monitors/{monitor_id}"):
            page.goto(address)
            check_accessible(page)
            check_fits(page)


def test_what_is_refused_is_answered_as_the_api_answers_it(guarded: Service) -> None:
    said = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    active = guarded.http.get("/v1/monitors/active").json()["monitor_id"]
    asked = {f"/monitors/{active}/unshadow": "DELETE", "/monitors/rollback": "POST", "/keys/ik_none/rotate": "POST"}
    api = {f"/monitors/{active}/unshadow": f"/v1/monitors/{active}/shadow"}
    for address, method in asked.items():
        page = guarded.http.post(address, headers=said)
        told = guarded.http.request(method, api.get(address, f"/v1{address}"))
        assert page.status_code == told.status_code >= 400, address
        assert 'role="alert"' in page.text


def test_a_token_is_copied_by_keyboard_and_that_is_said(signed: Page) -> None:
    signed.context.grant_permissions(["clipboard-read", "clipboard-write"])
    signed.get_by_label("Name").fill("to be copied")
    signed.get_by_role("button", name="Make the key").click()
    signed.get_by_role("button", name="Copy the token").focus()
    signed.keyboard.press("Enter")

    expect(signed.get_by_text("Copied.")).to_be_visible()
    assert signed.evaluate("navigator.clipboard.readText()") == signed.locator("#token").inner_text()


def test_where_there_is_no_clipboard_the_token_is_selected_instead(signed: Page) -> None:
    signed.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    signed.get_by_label("Name").fill("to be selected")
    signed.get_by_role("button", name="Make the key").click()
    signed.get_by_role("button", name="Copy the token").click()

    expect(signed.get_by_text("Selected: copy it")).to_be_visible()
    assert signed.evaluate("getSelection().toString()") == signed.locator("#token").inner_text()


def test_keys_on_a_phone_are_cards_that_need_no_scrolling_sideways(chromium: Browser, guarded: Service) -> None:
    guarded.http.post("/v1/keys", json={"kind": "read", "name": "W" * 200}).raise_for_status()
    with watched_page(chromium, url_of(guarded), size=PHONE) as page:
        sign_in(page, OPERATOR_KEY)
        region = page.get_by_role("region", name="Table of keys")
        assert region.evaluate("(box) => box.scrollWidth <= box.clientWidth")
        expect(page.locator("#keys td[data-title='Last used']").first).to_be_visible()
