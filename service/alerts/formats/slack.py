"""The body of a Slack incoming webhook, which Mattermost and others take too: a text, and blocks.

Limits are those of Slack's Block Kit reference: a header of 150 characters, 3,000 in a section's text, 10 fields of
2,000. The characters `&<>` are escaped as Slack asks, so that no word of an agent becomes a mention or a link, and
`verbatim` keeps Slack from making links of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.alerts.formats.words import facts, link_of, link_text, severity_of, title

HEADS = ("Run", "Webhook", "Monitor")
# A value of 200 characters is at most 1,000 once it is escaped.


def to_slack(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as a message."""
    severity, named = severity_of(event), facts(event)
    headline = f"[{severity}] {title(event)}"
    first = next((value for name, value in named if name in HEADS), "")
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": headline, "emoji": False}},
        {"type": "section", "fields": [_mrkdwn(f"*{name}*\n{escape(value)}") for name, value in named]},
    ]
    link = link_of(event)
    if link:
        blocks.append({"type": "section", "text": _mrkdwn(f"<{escape(link).replace('|', '%7C')}|{link_text(event)}>")})
    return {"text": escape(f"{headline}: {first}" if first else headline), "blocks": blocks}


def escape(text: str) -> str:
    """Text in which nothing is markup of Slack's for links or mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}
