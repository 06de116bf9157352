"""Pictures of the web page for the docs: `python -m scripts.screenshots --url http://127.0.0.1:8080`, over a service
with runs and alerts in it, such as that of `make demo KEEP=1`. Needs Chromium."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

OUT = Path("docs/images")
DESKTOP, PHONE = (1280, 800), (390, 844)
SETTLE_MS = 1500


def addresses(url: str) -> dict[str, str]:
    """What to picture: name → address, a run and an alert among them where there is one."""
    with httpx.Client(base_url=url, timeout=10) as http:
        alerts = http.get("/v1/alerts").raise_for_status().json()["alerts"]
        monitor = http.get("/v1/monitors").raise_for_status().json()["monitors"][0]["monitor_id"]
    found = {
        "runs": "/",
        "alerts": "/alerts",
        "monitor": f"/monitors/{monitor}",
        "webhooks": "/webhooks",
        "keys": "/keys",
    }
    if alerts:
        found |= {"run": f"/runs/{alerts[0]['run_id']}", "alert": f"/alerts/{alerts[0]['id']}"}
    return found


def take(browser: Browser, url: str, names: dict[str, str], scheme: str, size: tuple[int, int], ending: str) -> None:
    """Write a picture of each address."""
    width, height = size
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    for name, address in names.items():
        page.goto(address)
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=OUT / f"{name}-{ending}.png")
    context.close()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    url = parser.parse_args().url
    OUT.mkdir(parents=True, exist_ok=True)
    names = addresses(url)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        take(browser, url, names, "light", DESKTOP, "light")
        take(browser, url, {name: names[name] for name in names if name in {"runs", "run"}}, "dark", DESKTOP, "dark")
        take(browser, url, {name: names[name] for name in names if name in {"runs", "run"}}, "light", PHONE, "phone")
        browser.close()


if __name__ == "__main__":
    main()
