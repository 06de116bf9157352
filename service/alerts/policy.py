"""When a delivery is tried again, and when it is given up: pure arithmetic, no clock and no network."""

from __future__ import annotations

import email.utils
import random
from dataclasses import dataclass
from typing import Literal

DeliveryState = Literal["pending", "delivered", "failed", "expired", "acknowledged", "lapsed"]
"""`acknowledged`: somebody had taken note of the alert before this could be sent, so it was not. `lapsed`: quiet hours
held it back, and when they ended the run was over or out of the episode."""

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt to send came to. `status` is None when no HTTP status was received; then `error` says why."""

    status: int | None
    error: str
    latency_ms: float
    retry_after_ms: int | None = None

    @property
    def delivered(self) -> bool:
        """True for any 2xx: the receiver has taken the message."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to record after an attempt. `next_ms` is the time of the next try, or 0 when there is none."""

    state: DeliveryState
    next_ms: int
    error: str
    held: bool = False
    """Quiet hours hold it back: this was no try, and its time to live begins when they end."""


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """The promised defaults of delivery.

    The first retry comes soon, because a warning about a live run ages fast; later ones spread out to
    `longest_delay_ms`. A message older than `ttl_ms` is not sent at all. `claim_margin_ms` beyond the timeout, a
    delivery whose sender died is tried anew.
    """

    max_tries: int = 40
    first_delay_ms: int = 500
    longest_delay_ms: int = 900_000
    longest_wait_ms: int = 3_600_000
    """`Retry-After` is followed so far and no further: an absurd one must not outlive the warning."""
    longest_rest_ms: int = 15_000
    """How long a webhook that fails gets nothing at all, at most: so late is an alert for one that is well again."""
    ttl_ms: int = 6 * 3_600_000
    timeout_ms: int = 10_000
    claim_margin_ms: int = 5_000
    per_endpoint: int = 4
    in_flight: int = 256
    keep_delivered_ms: int = DAY_MS
    keep_failed_ms: int = 30 * DAY_MS
    disable_after_ms: int = 5 * DAY_MS
    """A webhook that has failed for so long without a success is disabled; 0: never."""
    disable_failures: int = 20
    """… if it failed at least so often meanwhile."""

    @property
    def claim_ms(self) -> int:
        """How long a claimed delivery stays hidden from other senders."""
        return self.timeout_ms + self.claim_margin_ms

    def delay_ms(self, tries: int, luck: float) -> int:
        """The pause after the given number of tries (≥ 1): exponential, its upper half jittered by `luck` in [0, 1)."""
        whole = min(self.first_delay_ms * 2 ** min(tries - 1, 40), self.longest_delay_ms)
        return int(whole * (0.5 + 0.5 * luck))

    def rest_ms(self, refusals: int) -> int:
        """How long a webhook gets nothing after so many failures in a row (≥ 1): never longer than `delay_ms` has the
        failed delivery itself wait."""
        return min(self.delay_ms(refusals, 0.0), self.longest_rest_ms)

    def settle(self, attempt: Attempt, *, tries: int, now_ms: int, expires_ms: int) -> Settlement:
        """What follows from an attempt that was the `tries`-th since the delivery was queued.

        Any answer outside 2xx is retried, as Standard Webhooks asks, but 410 Gone, by which a receiver says that it
        will never want this again. `Retry-After` lengthens the pause, up to `longest_wait_ms`, and never shortens it.
        """
        if attempt.delivered:
            return Settlement("delivered", 0, "")
        if attempt.status == 410:
            return Settlement("failed", 0, attempt.error)
        if tries >= self.max_tries:
            return Settlement("failed", 0, f"given up after {tries} tries: {attempt.error}")
        asked_ms = min(attempt.retry_after_ms or 0, self.longest_wait_ms)
        pause = max(self.delay_ms(tries, random.random()), asked_ms)  # jitter needs no secrecy
        if now_ms + pause >= expires_ms:
            return Settlement("expired", 0, f"too old for another try: {attempt.error}")
        return Settlement("pending", now_ms + pause, attempt.error)

    def gives_up_on_webhook(self, failures: int, failing_since_ms: int, now_ms: int) -> bool:
        """True if a receiver has failed so long and so often that it is to be disabled."""
        if not self.disable_after_ms or not failing_since_ms:
            return False
        return failures >= self.disable_failures and now_ms - failing_since_ms >= self.disable_after_ms

    def keep_ms(self, state: DeliveryState) -> int:
        """How long the record of a settled delivery stays visible."""
        return self.keep_delivered_ms if state == "delivered" else self.keep_failed_ms


def parse_retry_after(raw_value: str, now_ms: int) -> int | None:
    """Milliseconds to wait by a `Retry-After` header (RFC 9110, section 10.2.3): seconds or an HTTP date; None if
    neither."""
    raw_value = raw_value.strip()
    if raw_value.isascii() and raw_value.isdigit() and len(raw_value) <= 9:
        return int(raw_value) * 1000
    try:
        when = email.utils.parsedate_to_datetime(raw_value)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0, int(when.timestamp() * 1000) - now_ms)
