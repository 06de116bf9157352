"""What an event says in a few words, for bodies that people read."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

Severity = Literal["info", "warning", "critical"]
CUT = "…"
FLAGGED = {
    "promise": "A monitor's promise on false alarms no longer holds",
    "coverage": "A monitor reads its runs otherwise than those of its calibration",
    "symbols": "A monitor's runs do other things than those of its calibration",
}


def clean(raw_text: object, limit: int) -> str:
    """An agent's or a user's text as one line of at most `limit` characters: what is not visible (control characters,
    line breaks, marks that turn the direction of writing) becomes a blank."""
    text = str(raw_text)[: 4 * limit]
    text = "".join(" " if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else char for char in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + CUT


def severity_of(event: Mapping[str, Any]) -> Severity:
    """The event's severity; a test is for information, and what does not say is critical."""
    if event["type"] == "webhook.test":
        return "info"
    severity = event["data"].get("severity")
    return severity if severity in ("info", "warning", "critical") else "critical"


def title(event: Mapping[str, Any]) -> str:
    """What happened, in words of forewarn alone."""
    if event["type"] == "webhook.test":
        return "Test event of forewarn"
    if event["type"] == "webhook.disabled":
        return "A webhook of forewarn is disabled"
    if event["type"] == "monitor.flagged":
        return FLAGGED.get(str(event["data"].get("test")), "A monitor's runs have changed")
    return "An agent's run is likely to fail" + (" (it is over by now)" if event["data"].get("stale") else "")


def facts(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values that say more: at most 9, values of at most 200 characters of plain text."""
    data = event["data"]
    named: list[tuple[str, Any]] = [("Project", data.get("project"))]
    if event["type"] == "run.alert":
        named += [
            ("Run", data.get("run_id")),
            ("Agent", data.get("agent")),
            ("Task", data.get("task")),
            ("Turn", data.get("turn")),
            ("Failure probability", _share(data.get("failure_probability"))),
            ("Risk", _share(data.get("risk"))),
            ("Monitor", data.get("monitor_id")),
            ("Because of", _cause(data.get("evidence"))),
        ]
    elif event["type"] == "monitor.flagged":
        named += [
            ("Monitor", data.get("monitor_id")),
            ("Test", data.get("test")),
            ("About", _about(data)),
            ("Now", _share(_figure(data, "now"))),
            ("Calibration", _share(_figure(data, "reference"))),
            ("Runs", data.get("runs")),
        ]
    else:
        named += [
            ("Webhook", data.get("webhook_id")),
            ("Receiver", data.get("host")),
            ("Description", data.get("description")),
            ("Reason", data.get("reason")),
            ("Last answer", data.get("error")),
        ]
    return [(name, text) for name, value in named if value is not None and (text := clean(value, 200))]


def link_text(event: Mapping[str, Any]) -> str:
    """What the link leads to."""
    return "Look at the monitor" if event["type"] == "monitor.flagged" else "Look at the run"


def link_of(event: Mapping[str, Any]) -> str:
    """The address of the run, or of the monitor's quality, if the service knows its own from outside; else ""."""
    link = event["data"].get("link")
    return link if isinstance(link, str) and link.startswith(("http://", "https://")) and len(link) <= 1500 else ""


def _share(value: Any) -> str | None:
    return f"{value:.0%}" if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _about(data: Mapping[str, Any]) -> str:
    """What a flag is about: a group of runs, or a share and where it went."""
    about = str(data.get("about") or "")
    if data.get("test") == "promise" or not about.endswith(("+", "-")):
        return about
    return f"{about[:-1]} {'rises' if about.endswith('+') else 'falls'}"


def _figure(data: Mapping[str, Any], name: Literal["now", "reference"]) -> Any:
    """A share of a flag's figures, then and now: of false alarms, or of steps."""
    figures = data.get("figures")
    if not isinstance(figures, Mapping):
        return None
    false_alarms = figures.get("false_alarms")
    if isinstance(false_alarms, Mapping):
        return false_alarms.get("value") if name == "now" else figures.get("expected")
    return figures.get(name)


def _cause(evidence: Any) -> str | None:
    words = evidence.get("ngrams") if isinstance(evidence, Mapping) else None
    named = [str(one.get("text", "")) for one in words or () if isinstance(one, Mapping)]
    return ", ".join(f"“{clean(one, 60)}”" for one in named[:3] if one) or None
