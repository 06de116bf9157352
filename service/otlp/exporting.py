"""Sends evaluations to an OTLP/HTTP receiver: in batches, beside the scoring, and never in its way.

At most once: what the queue cannot hold, and what the receiver does not take in a few tries, is dropped and counted.
Only the process that committed a score offers it, so none is sent twice but where an answer got lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

import httpx
from prometheus_client import CollectorRegistry, Counter

from service.core.evaluations import Evaluation
from service.otlp.evaluations import count_rejected, to_request

logger = logging.getLogger(__name__)

QUEUE = 10_000
BATCH = 512
GATHER_S = 1.0
TRIES = 5
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
ANSWER_BYTES = 65_536
RETRYABLE = frozenset({429, 502, 503, 504})
"""The statuses that OTLP/HTTP says may be tried again (specification, "Retryable Response Codes")."""

Every = Literal["turn", "alert"]


class ExportMetrics:
    """Instruments of a worker process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "forewarn_otlp_exported",
            "Evaluation records for the OTLP receiver, by what became of them: sent, rejected (by the receiver), "
            "unreachable (given up), or overflow (evaluations that the queue could not hold).",
            ["result"],
            registry=registry,
        )


class EvaluationExporter:
    """Fits `core.evaluations.EvaluationSink`. `every`: `turn` sends the newest score of each run in a commit and every
    alert, `alert` the alerts alone."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        every: Every,
        version: str,
        metrics: ExportMetrics,
        *,
        timeout_s: float = 10.0,
        gather_s: float = GATHER_S,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._url = endpoint.rstrip("/") + "/v1/logs"
        self._headers = {"Content-Type": "application/x-protobuf", "User-Agent": f"forewarn/{version}", **headers}
        self._every = every
        self._version = version
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._gather_s = gather_s
        self._first_pause_s = first_pause_s
        self._queue: deque[Evaluation] = deque()
        self._offered = asyncio.Event()

    def offer(self, evaluations: Sequence[Evaluation]) -> None:
        """See `EvaluationSink.offer`."""
        wanted = [one for one in evaluations if one.alerts] if self._every == "alert" else list(evaluations)
        room = QUEUE - len(self._queue)
        if len(wanted) > room:
            self._metrics.records.labels("overflow").inc(len(wanted) - room)
            wanted = wanted[:room]
        if wanted:
            self._queue.extend(wanted)
            self._offered.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Sends until `stop`; then one more try for what is queued, within one time-out."""
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(timeout=self._timeout_s, limits=limits, trust_env=False) as client:
            while not stop.is_set():
                await self._wait(self._offered, stop, None)
                await self._wait(stop, stop, self._gather_s)
                self._offered.clear()
                while self._queue and not stop.is_set():
                    await self._send(client, self._take(), stop)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    while self._queue:
                        await self._send(client, self._take(), stop)
        self._metrics.records.labels("overflow").inc(len(self._queue))

    def _take(self) -> list[Evaluation]:
        return [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]

    async def _send(self, client: httpx.AsyncClient, batch: Sequence[Evaluation], stop: asyncio.Event) -> None:
        body, records = to_request(batch, self._version, scores=self._every == "turn")
        for number in range(TRIES):
            status, answer, asked_s = await self._post(client, body)
            if 200 <= status < 300:
                rejected = min(records, count_rejected(answer))
                self._metrics.records.labels("sent").inc(records - rejected)
                self._metrics.records.labels("rejected").inc(rejected)
                return
            if status and status not in RETRYABLE:
                logger.warning("the OTLP receiver refuses %d evaluation records: HTTP %d", records, status)
                self._metrics.records.labels("rejected").inc(records)
                return
            if stop.is_set():
                break
            pause_s = max(self._first_pause_s * 2**number * random.uniform(0.5, 1), asked_s)
            await self._wait(stop, stop, min(pause_s, LONGEST_PAUSE_S))
        logger.warning("%d evaluation records are dropped: the OTLP receiver does not take them", records)
        self._metrics.records.labels("unreachable").inc(records)

    async def _post(self, client: httpx.AsyncClient, body: bytes) -> tuple[int, bytes, float]:
        """Status (0: no answer), the answer's beginning, and the seconds that it asks to wait."""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                client.stream("POST", self._url, content=body, headers=self._headers) as response,
            ):
                answer = b""
                async for chunk in response.aiter_raw():
                    answer += chunk
                    if len(answer) > ANSWER_BYTES:
                        break
                raw_wait = response.headers.get("retry-after", "")
                asked_s = float(raw_wait) if raw_wait.isascii() and raw_wait.isdigit() and len(raw_wait) < 9 else 0.0
                return response.status_code, answer[:ANSWER_BYTES], asked_s
        except (TimeoutError, httpx.HTTPError, OSError) as error:
            logger.info("the OTLP receiver does not answer: %s", type(error).__name__)
            return 0, b"", 0.0

    async def _wait(self, event: asyncio.Event, stop: asyncio.Event, within_s: float | None) -> None:
        waits = {asyncio.ensure_future(one.wait()) for one in {event, stop}}
        try:
            await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
