"""How hard the service is pressed: what waits to be scored, how fast it is scored, how full Redis is.

Sampled now and then by each API process, so that a refusal can say when to come again, and so that a Redis that fills
up is seen before it refuses the workers too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from service.errors import Overloaded, TransientError
from service.redis_log.checks import read_memory
from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.keys import KeySpace

log = logging.getLogger(__name__)

SAMPLE_EVERY_S = 1.0
# From this share of `maxmemory` on no step is taken any more: what is left is for scoring what is there.
FULL_SHARE = 0.8
LONGEST_RETRY_S = 60
# Writes wait a little while more than a second's scoring is to be done, and more than this: senders who wait for their
# answers then go as fast as steps are scored, rather than as steps are stored.
UNPACED_STEPS = 4096
LONGEST_PAUSE_S = 0.2


class Pressure:
    """The latest sample. Before the first one nothing is known, and nothing refused."""

    def __init__(self, client: RedisClient, keys: KeySpace, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock
        self._scored: int | None = None
        self._sampled_s = 0.0
        self.backlog = [0] * keys.count
        """Steps that wait to be scored, by partition, as far as this process knows."""
        self.rate = 0.0
        """Steps scored a second, smoothed over the last samples."""
        self.used_bytes = 0
        self.most_bytes = 0
        """Redis's `maxmemory`, of a cluster the fullest master's; 0 where there is none, or nobody tells."""

    async def run(self, stop: asyncio.Event) -> None:
        """Sample until `stop`."""
        while not stop.is_set():
            try:
                await self.sample()
            except TransientError as error:
                # The sample before stays; whoever needs Redis for more than this says aloud that it is away.
                log.debug("how hard the service is pressed is not known: %s", error)
            except Exception:
                # Whatever it was, samples must go on: without them a full Redis would not be seen.
                log.exception("how hard the service is pressed could not be sampled")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SAMPLE_EVERY_S)

    async def sample(self) -> None:
        """Look once. Raises TransientError where Redis does not answer; the sample before stays."""
        counts = await read_counts(self._client, self._keys)
        used, most = await read_memory(self._client)
        now_s, scored = self._clock(), sum(done for _, done in counts)
        if self._scored is not None and now_s > self._sampled_s:
            rate = max(0, scored - self._scored) / (now_s - self._sampled_s)
            self.rate = rate if self.rate == 0 else 0.5 * self.rate + 0.5 * rate
        self._scored, self._sampled_s = scored, now_s
        self.backlog = [max(0, appended - done) for appended, done in counts]
        self.used_bytes, self.most_bytes = used, most

    def see(self, partition: int, backlog: int) -> None:
        """Note what Redis said of a partition's backlog meanwhile."""
        self.backlog[partition] = backlog

    def pause_s(self) -> float:
        """How long the next write should wait; 0 unless steps come faster than they are scored."""
        excess = sum(self.backlog) - max(UNPACED_STEPS, self.rate)
        if excess <= 0 or self.rate <= 0:
            return 0.0
        return min(LONGEST_PAUSE_S, excess / self.rate)

    def check(self) -> None:
        """Raises Overloaded while Redis is too full to take steps."""
        if self.most_bytes and self.used_bytes >= FULL_SHARE * self.most_bytes:
            raise Overloaded(
                f"Redis holds {self.used_bytes} of {self.most_bytes} bytes (maxmemory), and from {FULL_SHARE:.0%} on "
                "no steps are taken: nothing of this request was stored",
                retry_after_s=self.retry_after_s(sum(self.backlog)),
            )

    def overloaded(self, limit: int) -> Overloaded:
        """The refusal of a step whose partition has `limit` steps to score."""
        excess = max(limit, *self.backlog, 0) - limit // 2
        return Overloaded(
            f"{limit} steps of this partition wait to be scored: nothing of it was stored",
            retry_after_s=self.retry_after_s(excess * max(1, len(self.backlog))),
        )

    def retry_after_s(self, steps: int) -> int:
        """In how many seconds so many steps will be scored, at the rate of the last samples: 1 to 60."""
        if self.rate <= 0:
            return 5 if steps else 1
        return max(1, min(LONGEST_RETRY_S, math.ceil(steps / self.rate)))


async def read_counts(client: RedisClient, keys: KeySpace) -> list[tuple[int, int]]:
    """Steps appended and steps scored since the beginning, by partition."""
    with redis_errors():
        async with client.pipeline(transaction=False) as pipeline:
            for partition in range(keys.count):
                pipeline.hmget(keys[partition].counts, ["appended", "scored"])
            rows: Any = await pipeline.execute()
    return [(int(appended or 0), int(scored or 0)) for appended, scored in rows]
