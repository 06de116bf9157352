"""Rate limits: a bucket a project, shared by all processes; each takes portions and spends them by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from service.api.application import create_app
from service.app.api import build_deps
from service.core.projects import ProjectBook, RateLimits
from service.core.tenants.rate import RateLimiter
from service.errors import BurstExceeded, RateLimited
from service.redis_log.projects import RedisProjectStore
from service.redis_log.tokens import RedisTokenStore
from service.settings import read_settings
from tests.service.conftest import PARTITIONS, Core
from tests.tiny_bundle import shared_tiny_bundle


class CountingStore(RedisTokenStore):
    """Counts questions to Redis."""

    asked = 0

    async def take_tokens(self, project: str, rate: float, burst: int, needed: int, portion: int) -> tuple[int, float]:
        self.asked += 1
        return await super().take_tokens(project, rate, burst, needed, portion)


def limiter(core: Core, rate: float, burst: int | None = None) -> tuple[RateLimiter, CountingStore]:
    store = CountingStore(core.client)
    book = ProjectBook(RedisProjectStore(core.client))
    return RateLimiter(book, store, RateLimits(steps_per_s=rate, burst_steps=burst)), store


async def test_tokens_are_told_of_as_they_come_from_the_store(core: Core) -> None:
    told: list[int] = []
    book = ProjectBook(RedisProjectStore(core.client))
    limits = RateLimits(steps_per_s=100, burst_steps=50)
    one = RateLimiter(book, RedisTokenStore(core.client), limits, taken=told.append)
    await one.take("acme", 1)
    await one.take("acme", 3)
    await one.take("acme", 20)
    assert told == [5, 19]


async def passed(one: RateLimiter, project: str, requests: int, steps: int = 1) -> int:
    """How many steps get through."""
    count = 0
    for _ in range(requests):
        try:
            await one.take(project, steps)
            count += steps
        except RateLimited:
            pass
    return count


async def test_the_burst_gets_through_and_then_no_more_than_the_rate(core: Core) -> None:
    one, _ = limiter(core, rate=0.01, burst=50)
    assert await passed(one, "acme", 60) == 50
    with pytest.raises(RateLimited) as refusal:
        await one.take("acme", 1)
    assert 90 <= refusal.value.retry_after_s <= 100
    assert await passed(one, "other", 60) == 50


async def test_the_bucket_fills_again_at_its_rate(core: Core) -> None:
    one, _ = limiter(core, rate=100, burst=10)
    assert await passed(one, "acme", 10) == 10
    began = time.monotonic()
    await asyncio.sleep(0.3)
    # Full again, and no fuller: what it gains while it is emptied is all that comes on top.
    again = await passed(one, "acme", 60)
    assert 10 <= again <= 10 + 100 * (time.monotonic() - began - 0.3) + 2


async def test_processes_share_one_bucket_and_each_holds_a_portion_at_most(core: Core) -> None:
    several = [limiter(core, rate=0.01, burst=200)[0] for _ in range(4)]
    counts = await asyncio.gather(*(passed(one, "acme", 100) for one in several))
    # What is left lies in processes that stopped asking: here all asked until they were refused.
    assert sum(counts) == 200


async def test_one_question_to_redis_serves_many_requests(core: Core) -> None:
    one, store = limiter(core, rate=1000, burst=10_000)
    assert await passed(one, "acme", 1000) == 1000
    assert store.asked == 10


async def test_who_is_refused_is_refused_again_without_a_question(core: Core) -> None:
    one, store = limiter(core, rate=0.01, burst=5)
    await passed(one, "acme", 5)
    await passed(one, "acme", 1)
    asked = store.asked
    assert await passed(one, "acme", 100) == 0
    with pytest.raises(RateLimited):
        one.check("acme")
    assert store.asked == asked


async def test_a_request_gets_all_its_tokens_or_takes_none(core: Core) -> None:
    one, _ = limiter(core, rate=0.01, burst=10)
    assert await passed(one, "acme", 1, steps=7) == 7
    assert await passed(one, "acme", 1, steps=7) == 0
    assert await passed(one, "acme", 1, steps=3) == 3


async def test_more_than_the_bucket_ever_holds_is_refused_for_good(core: Core) -> None:
    one, _ = limiter(core, rate=1, burst=10)
    with pytest.raises(BurstExceeded, match="10 at once"):
        await one.take("acme", 11)


async def test_a_projects_own_limit_goes_before_the_services(core: Core) -> None:
    store = RedisProjectStore(core.client)
    book = ProjectBook(store)
    one = RateLimiter(book, RedisTokenStore(core.client), RateLimits(steps_per_s=0.01, burst_steps=3))
    own = RateLimits(steps_per_s=0.01, burst_steps=8)
    await book.change("acme", lambda old: old.model_copy(update={"limits": own}))
    assert await passed(one, "acme", 20) == 8
    assert await passed(one, "other", 20) == 3


@pytest.fixture
async def clients(core: Core, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Two processes' worth of API over one Redis, whose projects may send 20 steps at once and few afterwards."""
    bundle: Path = shared_tiny_bundle(tmp_path_factory.getbasetemp()).path
    settings = read_settings(bundle=bundle, limit_steps_per_s=0.1, limit_burst_steps=20)
    https, boards = [], []
    for _ in range(2):
        deps, board, _ = build_deps(settings, core.client, PARTITIONS)
        boards.append(board)
        https.append(
            httpx.AsyncClient(transport=httpx.ASGITransport(create_app(deps, version="0")), base_url="http://127.0.0.1")
        )
    yield https
    for http in https:
        await http.aclose()
    for board in boards:
        await board.close()


async def test_every_way_in_spends_from_the_same_bucket(clients: list[httpx.AsyncClient]) -> None:
    first, second = clients
    assert (await first.put("/v1/runs/r", json={})).status_code == 201
    assert (await first.post("/v1/runs/r/steps", json=[{"n": n} for n in range(10)])).status_code == 202
    lines = b'{"run_id": "a", "step": {}}\n' * 7
    headers = {"Content-Type": "application/x-ndjson"}
    assert (await second.post("/v1/steps", content=lines, headers=headers)).status_code == 202
    answer = await second.post("/v1/steps", content=lines, headers=headers)
    assert answer.status_code == 429
    assert answer.json()["type"] == "urn:forewarn:problem:rate-limited"
    # 7 are wanted, 2 are there, one comes every 10 s.
    assert 45 <= int(answer.headers["Retry-After"]) <= 50
    assert (await first.post("/v1/runs/r/end")).status_code == 200
    assert (await second.post("/v1/runs/r/outcome", json={"success": True})).status_code == 200
    refused = [
        await first.post("/v1/runs/b/steps", json={}),
        await first.post("/v1/runs/b/steps?wait=score", json={}),
        await second.post("/v1/steps", content=lines, headers=headers),
        await second.put("/v1/runs/b", json={}),
        await second.post("/v1/runs/r/outcome", json={"success": True}),
        await first.post("/v1/traces", json=SPAN),
    ]
    assert [one.status_code for one in refused] == [429] * len(refused)
    assert all("retry-after" in one.headers for one in refused)
    too_many = await first.post("/v1/runs/b/steps", json=[{}] * 21)
    assert too_many.status_code in {413, 429}
    assert 'forewarn_steps_limited_total{project="default"}' in (await second.get("/metrics")).text
    assert (await first.get("/v1/runs")).status_code == 200


SPAN = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "0af7651916cd43dd8448eb211c80319c",
                            "spanId": "b7ad6b7169203331",
                            "name": "chat",
                            "startTimeUnixNano": "1700000000000000000",
                            "endTimeUnixNano": "1700000001000000000",
                            "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}],
                        }
                    ]
                }
            ]
        }
    ]
}
