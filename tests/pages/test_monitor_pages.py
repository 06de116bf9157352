"""The pages of monitors, in Chromium: what is promised beside what came of it, and a second bundle activated."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from monitors.bundle import read_monitor_id
from tests.service.live import Service
from tests.service.other_bundle import write_twin
from tests.tiny_bundle import TinyBundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_second_bundle_is_activated_and_rolled_back(
    service: Service, page: Page, tiny: TinyBundle, tmp_path: Path
) -> None:
    twin = write_twin(tiny.path, tmp_path / "twin")
    first, second = read_monitor_id(tiny.path), read_monitor_id(twin)
    service.http.post("/v1/monitors", json={"path": str(twin)}).raise_for_status()
    page.set_default_timeout(70_000)
    page.goto(f"/monitors/{second}")
    page.get_by_text("Activate", exact=True).first.click()
    page.get_by_role("button", name="Activate").click()

    expect(page.locator(".done")).to_contain_text("New runs begin with this monitor", timeout=70_000)
    assert service.http.get("/v1/monitors/active").json()["monitor_id"] == second
    page.goto("/monitors")
    page.get_by_text("Roll back", exact=True).first.click()
    page.get_by_role("button", name="Roll back").click()

    expect(page.locator(".done")).to_contain_text("Rolled back", timeout=70_000)
    assert service.http.get("/v1/monitors/active").json()["monitor_id"] == first


def test_an_unknown_monitor_is_told_in_words(page: Page) -> None:
    answer = page.goto("/monitors/nobody")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("alert")).to_be_visible()
