from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from forewarn.receiver import WebhookReceiver

SECRET = "whsec_" + "A" * 43 + "="
OTHER = "whsec_" + "B" * 43 + "="


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        receiver.trust(SECRET)
        yield receiver


def post(receiver: WebhookReceiver, *, secret: str = SECRET, webhook_id: str = "msg_1", kind: str = "run.alert") -> int:
    data = {"run_id": "r-1", "created_ms": int(time.time() * 1000) - 40}
    body = json.dumps({"type": kind, "timestamp": "2026-01-01T00:00:00Z", "data": data})
    now = datetime.now(UTC).replace(microsecond=0)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, now, body),
    }
    return httpx.post(receiver.url, content=body, headers=headers).status_code


def test_a_genuine_alert_is_kept_with_the_time_it_took(receiver: WebhookReceiver) -> None:
    assert post(receiver) == 204
    (alert,) = receiver.wait_for(1, 5)
    assert (alert.webhook_id, alert.run_id) == ("msg_1", "r-1")
    assert 40 <= alert.delay_ms < 5_000


def test_a_forged_alert_is_refused_and_counted(receiver: WebhookReceiver) -> None:
    assert post(receiver, secret=OTHER) == 401
    assert (receiver.alerts, receiver.forged) == ([], 1)


def test_an_alert_that_comes_again_is_kept_once(receiver: WebhookReceiver) -> None:
    assert [post(receiver), post(receiver)] == [204, 204]
    assert (len(receiver.alerts), receiver.repeats) == (1, 1)


def test_a_test_event_is_taken_and_is_no_alert(receiver: WebhookReceiver) -> None:
    assert post(receiver, kind="webhook.test") == 204
    assert receiver.alerts == []


def test_before_it_knows_the_secret_it_asks_for_a_retry() -> None:
    with WebhookReceiver() as receiver:
        assert post(receiver) == 503


def test_a_request_without_a_length_is_refused(receiver: WebhookReceiver) -> None:
    def parts() -> Iterator[bytes]:
        yield b"{}"

    assert httpx.post(receiver.url, content=parts()).status_code == 411


def test_waiting_ends_when_the_alert_comes(receiver: WebhookReceiver) -> None:
    sender: Any = threading.Timer(0.1, post, [receiver])
    sender.start()
    began = time.monotonic()
    assert len(receiver.wait_for(1, 10)) == 1
    assert time.monotonic() - began < 5
    sender.join()
