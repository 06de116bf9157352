"""Runs for tests of the run page and of alerts' pages: one that alerts, and one whose every text is hostile."""

from __future__ import annotations

import itertools
from typing import Any

from tests.service.live import Service
from tests.tiny_bundle import TinyBundle

_numbers = itertools.count()
_found: list[tuple[int, int]] = []
LONG = "W" * 10_000
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>{{7*7}}</script><!-- "
    "javascript:alert(4) \u202egnp.exe\u202c \u0007 "
)


def new_run(name: str) -> str:
    """A run id that no other test has."""
    return f"{name}-{next(_numbers)}"


def post_steps(service: Service, run_id: str, steps: list[Any]) -> None:
    """Post steps, and wait until the run has so many more scored."""
    scored = service.http.get(f"/v1/runs/{run_id}").json().get("scored", 0)
    service.http.post(f"/v1/runs/{run_id}/steps", json=steps).raise_for_status()
    service.until_scored(run_id, scored + len(steps))


def alerting_steps(service: Service, tiny: TinyBundle) -> list[Any]:
    """Steps of the corpus of which the last opens an alert episode. Failing runs are tried until one alerts."""
    if not _found:
        for index, success in enumerate(tiny.corpus.successes):
            if success:
                continue
            run_id = new_run("tried")
            post_steps(service, run_id, tiny.corpus.runs[index])
            if alerts := service.http.get(f"/v1/runs/{run_id}").json()["alert_list"]:
                _found.append((index, alerts[0]["position"]))
                break
    [(index, position)] = _found
    assert position, "an alert at the first step leaves nothing to come before it"
    return tiny.corpus.runs[index][: position + 1]


def alerting_run(service: Service, tiny: TinyBundle) -> tuple[str, str]:
    """A live run inside an alert episode, and its alert's id."""
    run_id = new_run("alerts")
    post_steps(service, run_id, alerting_steps(service, tiny))
    return run_id, service.http.get(f"/v1/runs/{run_id}").json()["alert_list"][0]["id"]


def hostile_steps(text: str) -> list[Any]:
    """Raw steps with a text in every field."""
    call = {"id": text, "function": {"name": text, "arguments": f'{{"x": "{len(text)}"}}'}}
    refund = {**call, "function": {"name": "refund", "arguments": text}}
    return [
        {"role": "user", "content": text},
        {"role": "assistant", "content": text, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": text, "content": f"error: {text}"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [refund],
        },
        {text[:50]: text, "role": text},
    ]
