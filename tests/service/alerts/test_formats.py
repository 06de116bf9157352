"""Bodies for receivers that know their own: within published limits, whatever an agent says."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.alerts import formats
from service.alerts.records import parse_outbox_alert
from service.alerts.webhook import BodyFormat, Webhook, new_secret

KEY = "0123456789abcdef0123456789abcdef"
HOSTILE = "<!channel> <https://evil.example|click> *bold* & @here \u202egnp.exe\r\n\x00\x1b[31m `x` _y_ \u200b"
ALERT = {
    "id": "alert_1",
    "type": "run.alert",
    "project": "acme",
    "run_id": "run 7",
    "episode": 1,
    "severity": "critical",
    "position": 7,
    "turn": 3,
    "risk": 0.8,
    "risk_before": 0.2,
    "failure_probability": 0.914,
    "score": 2.5,
    "threshold": 1.5,
    "evidence": {"ngrams": [{"text": "cannot <refund>", "field": "action", "effect": 1.2}]},
    "monitor_id": "m-1",
    "agent": "desk",
    "task": "refund",
    "tags": {},
    "link": "https://forewarn.example/v1/runs/run%207",
    "created_ms": 1_780_000_000_123,
}
TEST = {
    "type": "webhook.test",
    "timestamp": "2026-06-01T00:00:00.000Z",
    "data": {"webhook_id": "wh_1", "project": "acme"},
}
NOTICE = {
    "id": "notice_1",
    "type": "webhook.disabled",
    "project": "acme",
    "severity": "warning",
    "webhook_id": "wh_2",
    "description": "on call",
    "host": "hooks.example",
    "reason": "gone",
    "error": "HTTP 410",
    "failures": 1,
    "created_ms": 1_780_000_000_123,
}


FLAGGED = {
    "id": "notice_2",
    "type": "monitor.flagged",
    "project": "acme",
    "severity": "warning",
    "monitor_id": "m-1",
    "test": "coverage",
    "about": "new_tool+",
    "since_ms": 1_780_000_000_123,
    "runs": 210,
    "evidence": 44_000.0,
    "level": 0.01,
    "figures": {"name": "new_tool", "reference": 0.0, "now": 0.24, "rise": 44_000.0},
    "link": "https://forewarn.example/v1/monitors/m-1/quality",
    "created_ms": 1_780_000_000_123,
}


def rendered(chosen: BodyFormat, **changes: Any) -> Any:
    body = parse_outbox_alert(orjson.dumps({**ALERT, **changes})).body()
    return orjson.loads(formats.render(webhook(chosen), body))


def webhook(chosen: BodyFormat) -> Webhook:
    plain = Webhook("wh_1", "acme", "https://a.example/", "", new_secret(), 0)
    return replace(plain, format=chosen, routing_key=KEY)


def fits_slack(body: Any) -> None:
    """Slack's limits: https://docs.slack.dev/reference/block-kit/blocks, and its rules on `&<>`."""
    assert set(body) == {"text", "blocks"}
    assert 0 < len(body["text"]) <= 4000
    assert 0 < len(body["blocks"]) <= 50
    for block in body["blocks"]:
        if block["type"] == "header":
            assert block["text"]["type"] == "plain_text"
            assert 0 < len(block["text"]["text"]) <= 150
            continue
        assert block["type"] == "section"
        texts = block.get("fields") or [block["text"]]
        assert 0 < len(texts) <= 10
        for text in texts:
            assert text["type"] == "mrkdwn"
            assert text["verbatim"] is True
            assert 0 < len(text["text"]) <= (2000 if "fields" in block else 3000)
    shown = [body["text"], *(text["text"] for block in body["blocks"] for text in block.get("fields", ()))]
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", "".join(shown))


def fits_alertmanager(body: Any) -> None:
    """https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"""
    assert set(body) == {
        *("version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels"),
        *("commonAnnotations", "externalURL", "alerts"),
    }
    assert (body["version"], body["status"], body["truncatedAlerts"]) == ("4", "firing", 0)
    (alert,) = body["alerts"]
    assert set(alert) == {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}
    assert re.fullmatch(r"[0-9a-f]{16}", alert["fingerprint"])
    assert datetime.fromisoformat(alert["startsAt"]).tzinfo is not None
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    for named in (alert["labels"], alert["annotations"], body["groupLabels"], body["commonLabels"]):
        assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name in named)
        assert all(isinstance(value, str) and value for value in named.values())
    assert alert["labels"]["alertname"]


def fits_pagerduty(body: Any) -> None:
    """https://developer.pagerduty.com/docs/events-api-v2/trigger-events/"""
    assert {"routing_key", "event_action", "dedup_key", "payload"} <= set(body)
    assert set(body) <= {
        "routing_key",
        "event_action",
        "dedup_key",
        "payload",
        "links",
        "images",
        "client",
        "client_url",
    }
    assert (body["routing_key"], body["event_action"]) == (KEY, "trigger")
    assert 0 < len(body["dedup_key"]) <= 255
    payload = body["payload"]
    assert {"summary", "source", "severity"} <= set(payload)
    assert set(payload) <= {
        "summary",
        "source",
        "severity",
        "timestamp",
        "component",
        "group",
        "class",
        "custom_details",
    }
    assert 0 < len(payload["summary"]) <= 1024
    assert payload["source"]
    assert payload["severity"] in {"critical", "error", "warning", "info"}
    assert datetime.fromisoformat(payload["timestamp"]).tzinfo is not None
    assert len(orjson.dumps(body)) < 512 * 1024


CHECKS: dict[BodyFormat, Any] = {"slack": fits_slack, "alertmanager": fits_alertmanager, "pagerduty": fits_pagerduty}


@pytest.mark.parametrize("chosen", CHECKS)
def test_an_alert_keeps_to_what_the_receiver_publishes(chosen: BodyFormat) -> None:
    CHECKS[chosen](rendered(chosen))


@pytest.mark.parametrize("chosen", CHECKS)
def test_a_test_event_and_a_notice_do_so_too(chosen: BodyFormat) -> None:
    notices = [parse_outbox_alert(orjson.dumps(raw)).body() for raw in (NOTICE, FLAGGED)]
    for event in (orjson.dumps(TEST), *notices):
        CHECKS[chosen](orjson.loads(formats.render(webhook(chosen), event)))


WORDS = st.text(max_size=3000) | st.just(HOSTILE * 40)


@settings(max_examples=60, deadline=None)
@given(WORDS, WORDS, WORDS, st.sampled_from(sorted(CHECKS)))
def test_no_words_of_an_agent_break_a_body(run: str, agent: str, cause: str, chosen: BodyFormat) -> None:
    evidence = {"ngrams": [{"text": cause}] * 9}
    CHECKS[chosen](rendered(chosen, run_id=run or "r", agent=agent, task=cause, evidence=evidence, link=agent))


@pytest.mark.parametrize("chosen", CHECKS)
def test_the_same_alert_gives_the_same_bytes(chosen: BodyFormat) -> None:
    body = parse_outbox_alert(orjson.dumps(ALERT)).body()
    assert formats.render(webhook(chosen), body) == formats.render(webhook(chosen), body)


def test_every_format_but_the_native_one_has_its_check() -> None:
    assert set(get_args(BodyFormat)) == {"native", *CHECKS}


def test_a_slack_message_shows_agents_words_as_words() -> None:
    text = orjson.dumps(rendered("slack", agent=HOSTILE, run_id=HOSTILE)).decode()
    assert "<!channel>" not in text
    assert "&lt;!channel&gt;" in text
    assert not any(mark in text for mark in ("\u202e", "\u200b", "\\u001b", "\\u0000"))


def test_a_slack_message_links_the_run_where_the_service_knows_its_address() -> None:
    linked = orjson.dumps(rendered("slack")).decode()
    assert "<https://forewarn.example/v1/runs/run%207|Look at the run>" in linked
    assert "Look at the run" not in orjson.dumps(rendered("slack", link="/v1/runs/run%207")).decode()


def test_a_flag_says_which_monitor_reads_what_otherwise_and_since_when() -> None:
    slack = orjson.dumps(rendered("slack", **FLAGGED)).decode()
    assert "[warning] A monitor reads its runs otherwise than those of its calibration: m-1" in slack
    assert all(text in slack for text in ("new_tool rises", "24%", "0%", "210", "/quality|Look at the monitor>"))
    promise = {"test": "promise", "about": "", "figures": {"expected": 0.1, "false_alarms": {"value": 0.31}}}
    named = rendered("pagerduty", **FLAGGED | promise)["payload"]["custom_details"]
    assert (named["Now"], named["Calibration"]) == ("31%", "10%")
    assert "About" not in named
    assert rendered("pagerduty", **FLAGGED | {"figures": None})["payload"]["summary"]
    assert rendered("alertmanager", **FLAGGED)["alerts"][0]["labels"]["test"] == "coverage"


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_pagerduty_gets_the_severity_and_one_key_an_alert(severity: str) -> None:
    body = rendered("pagerduty", severity=severity)
    assert (body["payload"]["severity"], body["dedup_key"]) == (severity, "alert_1")
    assert body["links"][0]["href"] == ALERT["link"]


def test_pagerduty_gets_a_digest_of_an_id_that_is_too_long() -> None:
    one, other = rendered("pagerduty", id="alert_" + "a" * 300), rendered("pagerduty", id="alert_" + "a" * 301)
    assert one["dedup_key"] != other["dedup_key"]


def test_alertmanager_tells_two_episodes_of_a_run_apart() -> None:
    first, second = (rendered("alertmanager", episode=number)["alerts"][0] for number in (1, 2))
    assert first["fingerprint"] != second["fingerprint"]
    assert first["labels"]["run_id"] == second["labels"]["run_id"] == "run 7"


def test_the_routing_key_is_in_no_other_format() -> None:
    assert all(KEY not in repr(rendered(chosen)) for chosen in ("native", "slack", "alertmanager"))
