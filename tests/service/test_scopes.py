"""The guard by scope: every route of the application needs what the table says, and nothing else gets through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.api.application import create_app
from service.api.scopes import OPEN, TABLE, needed_scope
from service.app.api import Access, build_deps
from service.app.binding import LOOPBACK, Binding
from service.core.tenants.access import PROJECT_SCOPES, Principal, Scope
from service.core.tenants.authentication import Authenticator
from service.errors import Unauthenticated
from service.settings import read_settings
from tests.service.conftest import PARTITIONS, Core
from tests.service.routes import address, routes_of
from tests.tiny_bundle import shared_tiny_bundle

KEYS: dict[str, Principal] = {
    "ingest": Principal("default", frozenset({"ingest"}), "ik_1"),
    "read": Principal("default", frozenset({"read"}), "rk_1"),
    "admin": Principal("default", PROJECT_SCOPES, "ak_1"),
    "operate": Principal("default"),
}

# A form of the web page says where it is.
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


class ByName(Authenticator):
    """Takes the name of a scope as a key."""

    def __init__(self) -> None:
        super().__init__("an-operator's-key")

    def authenticate(self, authorization: str | None, origin: str = "") -> Principal:
        try:
            return KEYS[(authorization or "").removeprefix("Bearer ")]
        except KeyError:
            raise Unauthenticated("no such key") from None


@pytest.fixture
async def app(core: Core, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    bundle: Path = shared_tiny_bundle(tmp_path_factory.getbasetemp()).path
    deps, board, _ = build_deps(
        read_settings(bundle=bundle), core.client, PARTITIONS, Access(ByName(), Binding(LOOPBACK))
    )
    yield create_app(deps, version="0")
    await board.close()


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield http


def test_what_is_in_no_row_needs_admin() -> None:
    assert needed_scope("GET", "/v1/nowhere") == "admin"
    assert needed_scope("DELETE", "/v1/runs/r1") == "admin"
    assert needed_scope("GET", "/somewhere") == "admin"


def test_a_path_that_only_begins_like_a_row_is_another() -> None:
    assert needed_scope("GET", "/livez/x") == "admin"
    assert needed_scope("GET", "/v1/runs/") == "admin"
    assert needed_scope("GET", "//v1/runs") == "admin"
    assert needed_scope("POST", "/livez") == "admin"


async def test_every_route_is_in_the_table_by_its_own_path(app: FastAPI) -> None:
    rows = {(method, path): need for method, path, need in TABLE}
    assert len(rows) == len(TABLE)
    for method, path in routes_of(app):
        assert (method, path) in rows, f"{method} {path} is not in service/api/scopes.py: say which scope it needs"
        assert needed_scope(method, address(path)) == rows[method, path], f"{method} {path} is read as another row"


async def test_every_row_is_a_route(app: FastAPI) -> None:
    assert [(method, path) for method, path, _ in TABLE if (method, path) not in routes_of(app)] == []


async def test_a_route_opens_to_the_keys_with_its_scope_alone(http: httpx.AsyncClient) -> None:
    for method, path, need in TABLE:
        if path.endswith(("/events", "/live-runs")):
            continue  # a stream, see below
        for name, principal in KEYS.items():
            answer = await http.request(method, address(path), headers=OWN_PAGE | {"Authorization": f"Bearer {name}"})
            what = f"{method} {path} with a key for {name}: {answer.text[:200]}"
            assert (answer.status_code == 403) == (need is not OPEN and need not in principal.scopes), what
            assert answer.status_code != 401, what
        for headers in ({}, {"Authorization": "Bearer nobody"}):
            answer = await http.request(method, address(path), headers=OWN_PAGE | headers)
            assert (answer.status_code == 401) == (need is not OPEN), f"{method} {path} without a key"


@pytest.mark.parametrize("path", ["/v1/events", "/v1/live-runs", "/v1/runs/r1/events"])
async def test_streams_are_refused_before_they_open(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 401
    assert (await http.get(path, headers={"Authorization": "Bearer ingest"})).status_code == 403


@pytest.mark.parametrize("name", ["ingest", "read"])
async def test_a_key_of_too_little_scope_is_told_which_it_needs(http: httpx.AsyncClient, name: Scope) -> None:
    answer = await http.get("/v1/webhooks", headers={"Authorization": f"Bearer {name}"})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["status"]) == ("urn:forewarn:problem:forbidden", 403)
    assert "`admin`" in problem["detail"]
    assert name in problem["detail"]
    assert 'error="insufficient_scope", scope="admin"' in answer.headers["www-authenticate"]


async def test_what_is_refused_reads_no_body(app: FastAPI) -> None:
    async def receive() -> dict[str, object]:
        raise AssertionError("the body was asked for")

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/steps",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 401
