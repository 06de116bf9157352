"""Pictures of the web page for the docs: `python -m scripts.screenshots --url http://127.0.0.1:8080`, over a service
with runs and alerts in it, such as that of `make demo KEEP=1`; with `--evaluation report/index.html` of an evaluation
page alone. Needs Chromium."""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

OUT = Path("docs/images")
DESKTOP, PHONE = (1280, 800), (390, 844)
SETTLE_MS = 1500


def addresses(url: str, key: str) -> dict[str, str]:
    """What to picture: name → address, a run and an alert among them where there is one."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=10) as http:
        alerts = http.get("/v1/alerts").raise_for_status().json()["alerts"]
        monitor = http.get("/v1/monitors").raise_for_status().json()["monitors"][0]["monitor_id"]
    found = {
        "runs": "/",
        "alerts": "/alerts",
        "monitor": f"/monitors/{monitor}",
        "monitor-reliability": f"/monitors/{monitor}#reliable",
        "monitor-automaton": f"/monitors/{monitor}#apart",
        "webhooks": "/webhooks",
        "keys": "/keys",
        "projects": "/projects",
        "audit": "/audit",
    }
    if alerts:
        found |= {"run": f"/runs/{alerts[0]['run_id']}", "alert": f"/alerts/{alerts[0]['id']}"}
    return found


def take(
    browser: Browser, at: tuple[str, str], names: dict[str, str], scheme: str, size: tuple[int, int], ending: str
) -> None:
    """Write a picture of each address. `at`: the service, and the key to sign in with, "" for none."""
    width, height = size
    url, key = at
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    if key:
        context.add_cookies([{"name": "forewarn_key", "value": key, "url": url}])
    page = context.new_page()
    for name, address in names.items():
        page.goto(address)
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=OUT / f"{name}-{ending}.png")
    context.close()


def take_evaluation(browser: Browser, page_file: Path) -> None:
    """Write a picture of a whole evaluation page, which needs no service."""
    page = browser.new_page(viewport={"width": 960, "height": 800}, color_scheme="light")
    page.goto(page_file.resolve().as_uri())
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    picture.quantize(64).save(OUT / "evaluation-light.png", optimize=True)
    page.close()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--key", default="", help="An admin's or the operator's key, where the service needs one.")
    parser.add_argument("--only", default="", help="Names of pictures with commas between; all without it.")
    parser.add_argument("--evaluation", type=Path, help="An evaluation's index.html, to be pictured alone.")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    at, only = (options.url, options.key), set(filter(None, options.only.split(",")))
    found = {} if options.evaluation else addresses(*at)
    names = {name: path for name, path in found.items() if not only or name in only}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        if options.evaluation:
            take_evaluation(browser, options.evaluation)
            browser.close()
            return
        take(browser, at, names, "light", DESKTOP, "light")
        take(browser, at, {name: names[name] for name in names if name in {"runs", "run"}}, "dark", DESKTOP, "dark")
        take(browser, at, {name: names[name] for name in names if name in {"runs", "run"}}, "light", PHONE, "phone")
        browser.close()


if __name__ == "__main__":
    main()
