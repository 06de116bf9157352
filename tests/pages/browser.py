"""Debian's Chromium as a person at the page would use it, watched for everything that a good page never does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python
from playwright.sync_api import Browser, Page, Request, Response

Scheme = Literal["light", "dark"]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")


def chromium_path() -> str | None:
    """Where the browser is."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


@contextmanager
def watched_page(
    browser: Browser,
    base_url: str,
    *,
    size: dict[str, int] | None = None,
    scheme: Scheme = "light",
    javascript: bool = True,
    breaks: bool = False,
) -> Iterator[Page]:
    """A page in a context of its own. In the end raises AssertionError if there was an error in the console (a breach
    of the Content-Security-Policy is one), an uncaught exception, a dialog, a request to another host, or a 5xx; not
    for connections that break and answers of 503 where the test makes the service have them (`breaks`)."""
    context = browser.new_context(
        base_url=base_url, viewport=size or DESKTOP, color_scheme=scheme, java_script_enabled=javascript
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    wrongs: list[str] = []
    page.on(
        "console",
        lambda said: wrongs.append(said.text) if said.type == "error" and not _is_expected(said.text, breaks) else None,
    )
    page.on("pageerror", lambda error: wrongs.append(str(error)))

    def on_dialog(dialog: Any) -> None:
        wrongs.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def on_request(request: Request) -> None:
        if not request.url.startswith((base_url, "data:", "blob:")):
            wrongs.append(f"a request to {request.url}")

    def on_response(response: Response) -> None:
        if response.status >= 500 and not (breaks and response.status == 503):
            wrongs.append(f"{response.status} from {response.url}")

    page.on("dialog", on_dialog)
    page.on("request", on_request)
    page.on("response", on_response)
    try:
        yield page
    finally:
        context.close()
    assert wrongs == [], wrongs


def _is_expected(text: str, breaks: bool) -> bool:
    # Chromium tells of every 4xx in the console; what an answer should be is for each test to say.
    refused, broken = "the server responded with a status of ", "net::ERR_"
    expected = (refused + "4", refused + "503", broken) if breaks else (refused + "4",)
    return text.startswith(tuple(f"Failed to load resource: {one}" for one in expected))


def check_accessible(page: Page) -> None:
    """Raises AssertionError with what axe finds: rules of WCAG 2.2, levels A and AA, and of good practice."""
    # Evaluated by the debugger, which no Content-Security-Policy holds back.
    page.evaluate(_AXE.read_text())
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    told = [
        f"{one['id']} ({one['impact']}): {one['help']}: " + "; ".join(node["html"][:200] for node in one["nodes"][:3])
        for one in found
    ]
    assert told == [], told


def check_fits(page: Page) -> None:
    """Raises AssertionError if the page is wider than its window: nobody likes to scroll sideways."""
    # After a click the page may be there before its style is.
    page.wait_for_load_state("load")
    width, room = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width <= room, f"the page is {width} px wide, in a window of {room} px"
