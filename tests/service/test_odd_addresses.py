"""Addresses and methods that no route is at: who may ask comes first, and says the same however it is written."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from service.api.application import create_app
from service.api.scopes import TABLE
from service.app.api import build_access, build_deps
from service.app.binding import LOOPBACK, Binding
from service.core.tenants.authentication import KeyBook
from service.redis_log.access_keys import RedisKeyStore
from service.settings import read_settings
from tests.service.conftest import PARTITIONS, Core
from tests.service.routes import address

KINDS = ("embedded",)
OPERATOR = {"Authorization": "Bearer the-operator's-own-key"}


async def asking(core: Core, api_key: str | None) -> AsyncIterator[httpx.AsyncClient]:
    settings = read_settings(api_key=api_key)
    access = build_access(settings, KeyBook(RedisKeyStore(core.client)), Binding(LOOPBACK))
    deps, board, _ = build_deps(settings, core.client, PARTITIONS, access)
    transport = httpx.ASGITransport(create_app(deps, version="0"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield http
    await board.close()


@pytest.fixture
async def open_to_all(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    """A service without any key."""
    async for http in asking(core, None):
        yield http


@pytest.fixture
async def shut(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    """A service with an operator's key."""
    async for http in asking(core, OPERATOR["Authorization"][7:]):
        yield http


async def test_where_no_key_exists_no_route_asks_for_one(open_to_all: httpx.AsyncClient) -> None:
    for method, path, _ in TABLE:
        if path in {"/v1/events", "/v1/live-runs"}:
            continue  # without end
        # As a form of the web page says it.
        answer = await open_to_all.request(method, address(path), headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code not in {401, 403, 500}, f"{method} {path}: {answer.text}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, "/v1/runs") for method in ("HEAD", "OPTIONS", "TRACE", "QUERY", "PATCH", "CONNECT")),
        *((method, path) for method in ("OPTIONS", "DELETE") for path in ("/metrics", "/livez", "/openapi.json")),
        *(("GET", path) for path in ("/v1/runs/", "//v1/runs", "/v1//runs", "/V1/runs", "/v1/runs/a%2Fb",
                                     "/v1/runs%2Fa",
                                     "/v1/runs/..%2F..%2Fmetrics", "/v1/runs/%2e%2e/alerts", "/metrics/", "/metrics%2F",
                                     "/livez%00", "/livez;a=b", "/v1/keys/%C3%A4", "/v1/runs/a%0Ab", "/nowhere")),
        *(("POST", path) for path in ("/v1/steps/", "/v1/runs/a/steps/", "/v1/traces/", "/v1/runs/a%2Fb/steps")),
    ],
)  # fmt: skip
async def test_what_is_nowhere_is_told_of_to_those_with_a_key_alone(
    shut: httpx.AsyncClient, method: str, path: str
) -> None:
    refused = await shut.request(method, path)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="forewarn"'
    assert refused.headers["cache-control"] == "no-store"
    told = await shut.request(method, path, headers=OPERATOR)
    assert told.status_code in ({200, 405} if method == "HEAD" else {400, 404, 405})
    assert told.status_code != 405 or told.headers["allow"]


async def test_refusals_of_opentelemetry_say_how_to_come_in(shut: httpx.AsyncClient) -> None:
    for path in ("/v1/traces", "/v1/logs"):
        for kind in ("application/json", "application/x-protobuf"):
            refused = await shut.post(path, content=b"", headers={"Content-Type": kind})
            assert refused.status_code == 401
            assert refused.headers["content-type"] == kind
            assert refused.headers["www-authenticate"] == 'Bearer realm="forewarn"'
