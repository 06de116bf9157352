"""Flags of live quality, told to a project's webhooks like its alerts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from urllib.parse import quote

import orjson

from service.alerts.store import DeliveryStore
from service.core.quality.flagged import FlagNews
from service.core.quality.reports import to_evidence


class FlagTelling:
    """Posts an event a flag. `public_url`: under which the service is known; "" for a path alone."""

    def __init__(self, store: DeliveryStore, public_url: str, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._public_url = public_url
        self._clock = clock

    async def __call__(self, news: FlagNews) -> None:
        """Put the event into the outbox. The same flag makes one delivery a webhook, however often it is told within
        a day. Raises TransientError."""
        await self._store.post_notice(flagged_notice(news, self._public_url, int(self._clock() * 1000)))


def flagged_notice(news: FlagNews, public_url: str, now_ms: int) -> bytes:
    """The outbox entry that tells of a flag. Its id follows from project, monitor, test and when it was flagged."""
    named = f"{news.project}\0{news.monitor_id}\0{news.test}\0{news.flag.at_ms}"
    return orjson.dumps(
        {
            "id": f"notice_{hashlib.sha256(named.encode()).hexdigest()[:20]}",
            "type": "monitor.flagged",
            "project": news.project,
            "severity": "warning",
            "monitor_id": news.monitor_id,
            "test": news.test,
            "about": news.flag.about,
            "since_ms": news.flag.at_ms,
            "runs": news.flag.runs,
            "evidence": to_evidence(news.flag.log_evidence),
            "level": news.level,
            "figures": news.figures,
            "link": f"{public_url}/v1/monitors/{quote(news.monitor_id, safe='')}/quality",
            "created_ms": now_ms,
        }
    )
