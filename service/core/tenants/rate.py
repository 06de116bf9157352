"""How many steps a project may send: a bucket of tokens a project in Redis, from which each process takes portions.

A step costs a token. A process takes a tenth of a second's worth at once and spends it by itself, so that one question
to Redis serves many requests; what a project sends in t seconds is at most burst + t × rate + a portion a process.
Tokens that a process holds when it dies are lost, which only ever lets less through.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from service.core.projects import ProjectBook, RateLimits
from service.errors import BurstExceeded, RateLimited
from service.ports import TokenStore

PORTION_S = 0.1
BURST_S = 10.0
# Projects whose tokens a process holds at once; forgetting one loses its portion.
REMEMBERED = 2000
LONGEST_RETRY_S = 3600


class Bucket(NamedTuple):
    """A project's limit: tokens a second, and the most that it holds."""

    rate: float
    burst: int

    @property
    def portion(self) -> int:
        """What a process takes at once."""
        return max(1, min(int(self.rate * PORTION_S), self.burst // 10))


@dataclass(slots=True)
class _Held:
    tokens: int = 0
    empty_until: float = 0.0
    """Until then not even one token is to be had: Redis need not be asked."""
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimiter:
    """Takes a project's steps, or says when it may go on. `default`: for projects that have no limit of their own."""

    def __init__(
        self,
        book: ProjectBook,
        store: TokenStore,
        default: RateLimits,
        refused: Callable[[str, int], None] = lambda _project, _steps: None,
        clock: Callable[[], float] = time.monotonic,
        taken: Callable[[int], None] = lambda _tokens: None,
    ) -> None:
        """`refused` is told of each project and how many steps it was refused, `taken` of tokens that came from the
        store."""
        self._book = book
        self._store = store
        self._default = default
        self._refused = refused
        self._clock = clock
        self._taken = taken
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def bucket(self, project: str) -> Bucket | None:
        """The project's limit; None for no limit. Never waits."""
        own = self._book.settings(project).limits
        limits = self._default if own.steps_per_s is None else own
        if limits.steps_per_s is None:
            return None
        burst = limits.burst_steps or math.ceil(limits.steps_per_s * BURST_S)
        return Bucket(limits.steps_per_s, max(1, burst))

    def check(self, project: str) -> None:
        """Refuse at once where it is known already that not one step may go through, before a body is looked at. Never
        waits. Raises RateLimited."""
        held = self._held.get(project)
        if held is None or held.tokens or (left_s := held.empty_until - self._clock()) <= 0:
            return
        bucket = self.bucket(project)
        if bucket is not None:
            self._refuse(project, bucket, 1, left_s)

    async def take(self, project: str, steps: int) -> None:
        """Take so many steps, all or none. Raises RateLimited, BurstExceeded for more than the bucket ever holds, and
        TransientError."""
        bucket = self.bucket(project)
        if bucket is None or steps <= 0:
            return
        held = self._find(project)
        if held.tokens >= steps:
            held.tokens -= steps
            return
        if steps > bucket.burst:
            self._refused(project, steps)
            raise BurstExceeded(steps, bucket.burst)
        # One question at a time: whoever waited may find what the one before has brought.
        async with held.taking:
            if held.tokens < steps:
                await self._fetch(project, bucket, held, steps)
            held.tokens -= steps

    async def _fetch(self, project: str, bucket: Bucket, held: _Held, steps: int) -> None:
        if not held.tokens:
            self.check(project)
        needed = steps - held.tokens
        granted, left = await self._store.take_tokens(project, bucket.rate, bucket.burst, needed, bucket.portion)
        held.tokens += granted
        if granted:
            self._taken(granted)
        if held.tokens < steps:
            if left < 1 and not held.tokens:
                held.empty_until = self._clock() + (1 - left) / bucket.rate
            self._refuse(project, bucket, steps, (needed - left) / bucket.rate)

    def _refuse(self, project: str, bucket: Bucket, steps: int, wait_s: float) -> None:
        self._refused(project, steps)
        after_s = min(LONGEST_RETRY_S, max(1, math.ceil(wait_s)))
        raise RateLimited(project, bucket.rate, retry_after_s=after_s)

    def _find(self, project: str) -> _Held:
        held = self._held.get(project)
        if held is None:
            held = self._held[project] = _Held()
            if len(self._held) > REMEMBERED:
                self._held.popitem(last=False)
        return held
