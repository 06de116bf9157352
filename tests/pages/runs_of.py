"""Runs for pages to show."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from monitors import Monitor
from tests.service.live import Service
from tests.tiny_bundle import TinyBundle

# What agents might write to reach whoever looks on. None of it may become markup, an address or a script.
HOSTILE = (
    "<script>window.hit=1</script>",
    '<img src=x onerror="window.hit=1">',
    "javascript:alert(1)",
    "\"' onmouseover='window.hit=1' x=\"",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "</script><svg onload=window.hit=1>",
    "\u202egnp.exe\u2066 \u200f",
    "x" * 10_000,
)


def steps_that_alert(tiny: TinyBundle) -> list[Any]:
    """The raw steps of a run of the corpus up to its first alert."""
    monitor = Monitor.read(tiny.path, device="cpu")
    for raw_steps in tiny.corpus.runs:
        session = monitor.session()
        for position, raw_step in enumerate(raw_steps):
            if session.step(raw_step).alert is not None:
                return raw_steps[: position + 1]
    raise AssertionError("no run of the corpus alerts")


def send(service: Service, run_id: str, steps: Any) -> None:
    """Post steps and wait until they are scored."""
    path = f"/v1/runs/{quote(run_id, safe='')}/steps?wait=score&timeout_ms=10000"
    answer = service.http.post(path, json=steps)
    assert answer.status_code in {200, 202}, answer.text
