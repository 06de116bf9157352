"""Projects, the audit log and deleting a run, in Chromium: set without JavaScript, asked twice where nothing brings it
back, and closed to those who do not own them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from service.api.browsers import COOKIE
from tests.pages.browser import DESKTOP, PHONE, Scheme, check_accessible, check_fits, watched_page
from tests.pages.conftest import OPERATOR_KEY, url_of
from tests.pages.runs import HOSTILE
from tests.service.live import Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
_numbers = itertools.count()


@pytest.fixture
def operator(chromium: Browser, guarded: Service) -> Iterator[Page]:
    """A page without JavaScript, signed in with the operator's key."""
    with watched_page(chromium, url_of(guarded), javascript=False) as page:
        page.context.add_cookies([{"name": COOKIE, "value": OPERATOR_KEY, "url": url_of(guarded)}])
        yield page


def new_project(service: Service) -> str:
    name = f"tenant-{next(_numbers)}"
    service.http.post("/v1/projects", json={"name": name}).raise_for_status()
    return name


def settings_of(service: Service, project: str) -> dict[str, dict[str, object]]:
    settings: dict[str, dict[str, object]] = service.http.get(f"/v1/projects/{project}").json()["settings"]
    return settings


def test_an_operator_makes_a_project_and_its_first_key(guarded: Service, operator: Page) -> None:
    operator.goto("/projects")
    operator.get_by_label("Name").fill("Not Allowed")
    operator.get_by_role("button", name="Make the project").click()
    expect(operator.get_by_role("alert")).to_contain_text("small letters")
    operator.get_by_label("Name").fill("made-here")
    operator.get_by_role("button", name="Make the project").click()
    expect(operator.locator(".done")).to_contain_text("The project is made")

    operator.get_by_role("link", name="look, make, revoke").click()
    operator.get_by_label("Kind").select_option("admin")
    operator.get_by_role("button", name="Make the key").click()

    headers = {"Authorization": f"Bearer {operator.locator('#token').inner_text()}"}
    guarded.until(lambda: guarded.http.get("/v1/project", headers=headers).status_code == 200, 10, "open to the key")
    assert guarded.http.get("/v1/project", headers=headers).json()["name"] == "made-here"
    operator.goto("/projects")
    expect(operator.locator("tr[data-project='made-here'] td[data-title='Good keys']")).to_have_text("1")


def test_what_is_kept_and_masked_is_set_and_shown_again(guarded: Service, operator: Page) -> None:
    project = new_project(guarded)
    operator.goto(f"/projects/{project}")
    operator.get_by_label("Days after").fill("90")
    operator.get_by_label("What agents say").select_option("none")
    operator.get_by_label("Masked in").select_option("own")
    operator.get_by_label("email").check()
    operator.get_by_label("Patterns of its own").fill("order: ORD-[0-9]{6}\nurl: https?://\\S+")
    operator.get_by_role("button", name="Set what is kept").click()

    expect(operator.locator(".done")).to_be_visible()
    assert settings_of(guarded, project)["privacy"] == {
        "content": "none",
        "redact": ["email"],
        "rules": [{"name": "order", "pattern": "ORD-[0-9]{6}"}, {"name": "url", "pattern": "https?://\\S+"}],
        "retention_days": 90,
    }
    expect(operator.get_by_label("Patterns of its own")).to_have_value("order: ORD-[0-9]{6}\nurl: https?://\\S+")
    expect(operator.get_by_label("email")).to_be_checked()
    expect(operator.get_by_label("secrets")).not_to_be_checked()


def test_keeping_runs_for_less_is_asked_twice(guarded: Service, operator: Page) -> None:
    project = new_project(guarded)
    operator.goto(f"/projects/{project}")
    operator.get_by_label("Days after").fill("7")
    operator.get_by_role("button", name="Set what is kept").click()
    expect(operator.get_by_role("heading", name="instead of 30")).to_be_visible()
    assert settings_of(guarded, project)["privacy"]["retention_days"] is None

    operator.get_by_role("button", name="delete what is older").click()

    expect(operator.locator(".done")).to_be_visible()
    assert settings_of(guarded, project)["privacy"]["retention_days"] == 7


def test_what_cannot_be_set_is_said_beside_its_field_and_kept(guarded: Service, operator: Page) -> None:
    project = new_project(guarded)
    operator.goto(f"/projects/{project}")
    operator.get_by_label("Patterns of its own").fill(f"bad: (?=x)\n{HOSTILE[:39]}: x")
    operator.get_by_role("button", name="Set what is kept").click()
    expect(operator.locator("#rules-fault")).to_be_visible()
    expect(operator.get_by_label("Patterns of its own")).to_have_value(f"bad: (?=x)\n{HOSTILE[:39]}: x")
    operator.get_by_label("Steps a second").fill("none")
    operator.get_by_role("button", name="Set the limits").click()
    expect(operator.locator("#steps_per_s-fault")).to_be_visible()
    operator.get_by_label("Share of runs").fill("2")
    operator.get_by_role("button", name="Set the share").click()
    expect(operator.locator("#control_ratio-fault")).to_contain_text("less than or equal to 1")

    operator.get_by_label("Steps a second").fill("200")
    operator.get_by_role("button", name="Set the limits").click()

    assert settings_of(guarded, project)["limits"]["steps_per_s"] == 200
    assert settings_of(guarded, project)["privacy"]["rules"] == []


def test_a_project_is_deleted_when_asked_twice_and_nothing_is_left_in_it(guarded: Service, operator: Page) -> None:
    project = new_project(guarded)
    key = guarded.http.post(f"/v1/projects/{project}/keys", json={"kind": "read"}).json()["id"]
    operator.goto(f"/projects/{project}")
    operator.get_by_role("button", name="Delete the project").click()
    operator.get_by_role("button", name="for good").click()
    expect(operator.get_by_role("alert")).to_contain_text("keys that are good")

    guarded.http.delete(f"/v1/projects/{project}/keys/{key}").raise_for_status()
    operator.wait_for_timeout(3200)
    operator.get_by_role("button", name="Delete the project").click()
    operator.get_by_role("button", name="for good").click()

    expect(operator.locator(".done")).to_contain_text("The project is deleted")
    assert guarded.http.get(f"/v1/projects/{project}").status_code == 404


def test_a_run_is_deleted_from_its_page_when_asked_twice(guarded: Service, operator: Page) -> None:
    guarded.http.post("/v1/runs/to-be-deleted/steps", json={"role": "user", "content": "hello"}).raise_for_status()
    operator.goto("/runs/to-be-deleted")
    operator.get_by_role("button", name="Delete the run").click()
    expect(operator.get_by_role("heading", name="Delete the run to-be-deleted?")).to_be_visible()
    assert guarded.http.get("/v1/runs/to-be-deleted").status_code == 200
    operator.get_by_role("button", name="for good").click()

    expect(operator.get_by_role("heading", name="Deletion of a run")).to_be_visible()
    guarded.until(lambda: guarded.http.get("/v1/runs/to-be-deleted").status_code == 404, 20, "deleted")
    operator.goto("/audit?act=run")
    expect(operator.locator("#acts tbody tr").first).to_contain_text("run.delete")
    assert "to-be-deleted" not in operator.content()


def test_acts_are_listed_page_by_page_and_found_by_who_did_them(guarded: Service, operator: Page) -> None:
    for number in range(51):
        ratio = {"control_ratio": number / 1000}
        guarded.http.put("/v1/feedback", json=ratio).raise_for_status()
    guarded.http.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", "description": HOSTILE[:39]})
    operator.goto("/audit")
    operator.get_by_label("About").select_option("feedback")
    operator.get_by_role("button", name="Show", exact=True).click()
    expect(operator.locator("#acts tbody tr")).to_have_count(50)
    expect(operator.locator("#acts tbody tr").first).to_contain_text("control_ratio: 0.05")
    operator.get_by_role("link", name="Older").click()
    expect(operator.locator("#acts tbody tr").first).to_contain_text("control_ratio: 0.0")
    expect(operator.locator("#acts tbody td[data-title='Act']").first).to_have_text("feedback.change")
    operator.goto("/audit?key_id=ak_nobody")
    expect(operator.get_by_text("No act is like that")).to_be_visible()


def test_an_admin_has_its_own_project_and_no_other(chromium: Browser, guarded: Service) -> None:
    mine, other = new_project(guarded), new_project(guarded)
    token = guarded.http.post(f"/v1/projects/{mine}/keys", json={"kind": "admin"}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    guarded.until(lambda: guarded.http.get("/v1/project", headers=headers).status_code == 200, 10, "open to the key")
    with watched_page(chromium, url_of(guarded), javascript=False) as page:
        page.context.add_cookies([{"name": COOKIE, "value": token, "url": url_of(guarded)}])
        page.goto("/")
        page.get_by_role("navigation").get_by_role("link", name="Projects").click()
        expect(page.get_by_role("heading", name=f"Project {mine}")).to_be_visible()
        assert page.get_by_role("heading", name="Limits").count() == 0
        answer = page.goto(f"/projects/{other}")
        assert answer is not None
        assert answer.status == 404
    asked = {"headers": {"Sec-Fetch-Site": "same-origin"} | headers, "data": {"retention_days": "1", "sure": "yes"}}
    statuses = {
        name: httpx.post(f"{url_of(guarded)}/projects/{project}/{name}", **asked).status_code  # type: ignore[arg-type]
        for project, name in ((other, "privacy"), (other, "feedback"), (mine, "limits"), (mine, "delete"))
    }
    assert statuses == {"privacy": 404, "feedback": 404, "limits": 403, "delete": 403}


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_projects_and_acts_are_accessible_and_fit(
    chromium: Browser, guarded: Service, size: dict[str, int], scheme: Scheme
) -> None:
    guarded.http.post("/v1/keys", json={"kind": "read", "name": "W" * 200}).raise_for_status()
    with watched_page(chromium, url_of(guarded), size=size, scheme=scheme) as page:
        page.context.add_cookies([{"name": COOKIE, "value": OPERATOR_KEY, "url": url_of(guarded)}])
        for address in ("/projects", "/projects/default", "/audit", "/audit?act=run&key_id=nobody"):
            page.goto(address)
            check_accessible(page)
            check_fits(page)
        page.goto("/projects/default")
        page.get_by_label("Run", exact=True).fill("nobody-knows-it")
        page.get_by_role("button", name="Delete the run").click()
        expect(page.get_by_text("No run of this name")).to_be_visible()
        check_accessible(page)
        check_fits(page)
