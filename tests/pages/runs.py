"""Runs for pages to show: some that alert, and some whose every text is hostile."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any
from urllib.parse import quote

from monitors import Monitor
from tests.service.live import Service
from tests.tiny_bundle import TinyBundle

STEP = {"role": "user", "content": "hello"}
LONG = "W" * 10_000
# What agents might write to reach whoever looks on. None of it may become markup, an address or a script: whatever of
# it ran would open a dialog, and `watched_page` tells of that.
HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\"'><svg/onload=alert(3)>",
    "javascript:alert(4)",
    "\"' onmouseover='alert(5)' x=\"",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "</script><!--",
    "\u202egnp.exe\u202c \u2066 \u200f \u0007",
    LONG,
)
HOSTILE = " ".join(HOSTILE_TEXTS[:-1])
_numbers = itertools.count()
# Of each bundle a run that alerts: its place in the corpus, and how many of its steps that takes.
_alerting: dict[Path, tuple[int, int]] = {}


def new_run(name: str) -> str:
    """A run id that no other test has."""
    return f"{name}-{next(_numbers)}"


def address_of(run_id: str) -> str:
    """The run's address in the API."""
    return f"/v1/runs/{quote(run_id, safe='')}"


def send(service: Service, run_id: str, steps: list[Any]) -> None:
    """Post steps, and wait until they are scored."""
    answer = service.http.post(f"{address_of(run_id)}/steps?wait=score&timeout_ms=10000", json=steps)
    assert answer.status_code in {200, 202}, answer.text


def alerting_steps(tiny: TinyBundle) -> list[Any]:
    """Steps of the corpus of which the last opens the run's first alert episode, and is not the first."""
    if tiny.path not in _alerting:
        _alerting[tiny.path] = _find_alert(tiny)
    index, length = _alerting[tiny.path]
    return tiny.corpus.runs[index][:length]


def alerting_run(service: Service, tiny: TinyBundle, run_id: str = "") -> tuple[str, str]:
    """A live run inside an alert episode, and its alert's id."""
    run_id = run_id or new_run("alerts")
    send(service, run_id, alerting_steps(tiny))
    return run_id, service.http.get(address_of(run_id)).json()["alert_list"][0]["id"]


def hostile_steps(text: str) -> list[Any]:
    """Raw steps with a text in every field."""
    call = {"id": text, "function": {"name": text, "arguments": f'{{"x": "{len(text)}"}}'}}
    refund = {**call, "function": {"name": "refund", "arguments": text}}
    return [
        {"role": "user", "content": text},
        {"role": "assistant", "content": text, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": text, "content": f"error: {text}"},
        {"role": "assistant", "content": None, "tool_calls": [refund]},
        {text[:50]: text, "role": text},
    ]


def _find_alert(tiny: TinyBundle) -> tuple[int, int]:
    monitor = Monitor.read(tiny.path, device="cpu")
    for index, raw_steps in enumerate(tiny.corpus.runs):
        session = monitor.session()
        for position, raw_step in enumerate(raw_steps):
            if session.step(raw_step).alert is not None:
                if position:
                    return index, position + 1
                break
    raise AssertionError("no run of the corpus alerts after its first step")
