"""No key reads or writes another project's things: a walk over every route of the application.

Two projects have one object of each kind. The admin key of one asks every route for the other's; nothing of the other
may come back, and afterwards the other's own view of itself is what it was. A route that is not provided for here fails
the walk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from service.api.application import create_app
from service.api.scopes import OPEN, needed_scope
from service.app.api import build_access, build_deps
from service.app.binding import LOOPBACK, Binding
from service.core.tenants.authentication import KeyBook
from service.redis_log.access_keys import RedisKeyStore
from service.settings import read_settings
from tests.service.conftest import PARTITIONS, Core
from tests.service.fakes import FakeMonitor
from tests.service.routes import routes_of
from tests.service.test_rate import SPAN
from tests.tiny_bundle import shared_tiny_bundle

KINDS = ("embedded",)
MARK = "of-the-others-alone"
RUN = "shared-name"
OPERATOR = {"Authorization": "Bearer the-operator's-own-key"}
NDJSON = {"Content-Type": "application/x-ndjson"}

# Bodies for the routes that write, each naming the other project wherever a careless route could believe it.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/steps"): orjson.dumps({"run_id": RUN, "step": {"n": 9}, "id": "mine"}),
    ("POST", "/v1/runs/{run_id}/steps"): {"n": 9, "project": "other"},
    ("POST", "/v1/traces"): SPAN,
    ("POST", "/v1/logs"): {"resourceLogs": []},
    ("PUT", "/v1/runs/{run_id}"): {"agent": "mine", "tags": {"project": "other"}},
    ("POST", "/v1/runs/{run_id}/end"): None,
    ("POST", "/v1/runs/{run_id}/outcome"): {"success": True},
    ("DELETE", "/v1/runs/{run_id}/outcome"): None,
    ("DELETE", "/v1/runs/{run_id}"): None,
    ("POST", "/v1/alerts/{alert_id}/acknowledge"): {"by": "mine"},
    ("POST", "/alerts/{alert_id}/acknowledge"): b"by=mine",
    ("POST", "/v1/monitors/{monitor_id}/preview"): {"n": 1},
    ("POST", "/v1/monitors/{monitor_id}/activate"): {},
    ("POST", "/v1/monitors/{monitor_id}/shadow"): {},
    ("DELETE", "/v1/monitors/{monitor_id}/shadow"): None,
    ("POST", "/v1/monitors/rollback"): {},
    ("POST", "/v1/monitors"): None,
    ("DELETE", "/v1/monitors/{monitor_id}"): None,
    ("PUT", "/v1/feedback"): {"control_ratio": 0.25},
    ("POST", "/monitors/rollback"): b"",
    ("POST", "/monitors/{monitor_id}/activate"): b"",
    ("POST", "/monitors/{monitor_id}/shadow"): b"",
    ("POST", "/monitors/{monitor_id}/unshadow"): b"",
    ("POST", "/keys"): b"",
    ("POST", "/keys/{key_id}/rotate"): b"",
    ("POST", "/keys/{key_id}/revoke"): b"",
    ("POST", "/projects"): b"name=third",
    ("POST", "/projects/{project}/privacy"): b"content=none&retention_days=1&sure=yes",
    ("POST", "/projects/{project}/feedback"): b"control_ratio=0.5",
    ("POST", "/projects/{project}/limits"): b"steps_per_s=1",
    ("POST", "/projects/{project}/delete"): b"sure=yes",
    ("POST", "/projects/{project}/keys"): b"kind=admin",
    ("POST", "/projects/{project}/keys/{key_id}/rotate"): b"",
    ("POST", "/projects/{project}/keys/{key_id}/revoke"): b"",
    ("POST", "/deletions"): b"run_id=another-name&sure=yes",
    ("POST", "/webhooks"): b"url=http://127.0.0.1:9/",
    ("POST", "/webhooks/{webhook_id}/test"): b"",
    ("POST", "/webhooks/{webhook_id}/enable"): b"",
    ("POST", "/webhooks/{webhook_id}/rotate-secret"): b"",
    ("POST", "/webhooks/{webhook_id}/delete"): b"",
    ("POST", "/webhooks/{webhook_id}/redeliver"): b"",
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): b"",
    ("POST", "/v1/webhooks"): {"url": "http://127.0.0.1:9/"},
    ("PATCH", "/v1/webhooks/{webhook_id}"): {"description": "mine"},
    ("DELETE", "/v1/webhooks/{webhook_id}"): None,
    ("POST", "/v1/webhooks/{webhook_id}/rotate-secret"): {},
    ("POST", "/v1/webhooks/{webhook_id}/enable"): None,
    ("POST", "/v1/webhooks/{webhook_id}/test"): None,
    ("POST", "/v1/webhooks/{webhook_id}/redeliver"): None,
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): None,
    ("POST", "/v1/keys"): {"kind": "admin"},
    ("POST", "/v1/keys/{key_id}/rotate"): None,
    ("DELETE", "/v1/keys/{key_id}"): None,
    ("PUT", "/v1/project"): {"feedback": {"control_ratio": 0.5}},
    ("POST", "/v1/projects"): {"name": "third"},
    ("PUT", "/v1/projects/{project}"): {"limits": {"steps_per_s": 1}},
    ("DELETE", "/v1/projects/{project}"): None,
    ("POST", "/v1/projects/{project}/keys"): {"kind": "admin"},
    ("POST", "/v1/projects/{project}/keys/{key_id}/rotate"): None,
    ("DELETE", "/v1/projects/{project}/keys/{key_id}"): None,
}
# A stream without end: test_event_streams.py::test_projects_do_not_see_each_others_runs asks it.
ELSEWHERE = {("GET", "/v1/events"), ("GET", "/v1/live-runs")}
# Names of things that belong to one project: the other's must not be found. A run's name is each project's own.
OWNED = ("{alert_id}", "{webhook_id}", "{key_id}", "{project}")


@dataclass
class Tenants:
    """The application, and the two projects' admin keys."""

    app: FastAPI
    http: httpx.AsyncClient
    core: Core
    book: KeyBook
    monitor_id: str
    keys: dict[str, dict[str, str]]

    async def ask(self, project: str, method: str, path: str, body: Any = None) -> httpx.Response:
        # As a form of the web page says it.
        headers = self.keys[project] | {"Sec-Fetch-Site": "same-origin"}
        if isinstance(body, bytes):
            return await self.http.request(method, path, content=body, headers=headers | NDJSON)
        return await self.http.request(method, path, json=body, headers=headers)


@pytest.fixture
async def tenants(core: Core, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tenants]:
    bundle = shared_tiny_bundle(tmp_path_factory.getbasetemp()).path
    settings = read_settings(
        bundle=bundle, api_key=OPERATOR["Authorization"][7:], webhook_allow="127.0.0.1", data_dir=tmp_path
    )
    book = KeyBook(RedisKeyStore(core.client))
    deps, board, _ = build_deps(settings, core.client, PARTITIONS, build_access(settings, book, Binding(LOOPBACK)))
    app = create_app(deps, version="0")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        keys = {}
        for project in ("acme", "other"):
            await http.post("/v1/projects", json={"name": project}, headers=OPERATOR)
            made = await http.post(f"/v1/projects/{project}/keys", json={"kind": "admin"}, headers=OPERATOR)
            keys[project] = {"Authorization": f"Bearer {made.json()['token']}"}
        await book.refresh()
        yield Tenants(app, http, core, book, deps.catalogue.active_id, keys)
    await board.close()


async def furnish(tenants: Tenants, project: str, mark: str) -> dict[str, str]:
    """One object of each kind in the project, with the mark in its texts; the names that addresses take."""
    await tenants.ask(project, "PUT", f"/v1/runs/{RUN}", {"agent": mark, "task": mark})
    async with tenants.core.working(monitor=FakeMonitor(tenants.monitor_id)):
        steps = [{"n": 0, "text": mark}, {"n": 1, "bad": 3, "text": mark}]
        scored = await tenants.ask(project, "POST", f"/v1/runs/{RUN}/steps?wait=score", steps)
        assert scored.status_code == 200, scored.text
    alerts = (await tenants.ask(project, "GET", "/v1/alerts")).json()["alerts"]
    hook = await tenants.ask(project, "POST", "/v1/webhooks", {"url": "http://127.0.0.1:9/", "description": mark})
    key = await tenants.ask(project, "POST", "/v1/keys", {"kind": "read", "name": mark})
    return {
        "run_id": RUN,
        "alert_id": alerts[0].get("alert_id") or alerts[0]["id"],
        "webhook_id": hook.json()["id"],
        "delivery_id": "dlv_none",
        "deletion_id": "none",
        "monitor_id": tenants.monitor_id,
        "key_id": key.json()["id"],
        "project": project,
        "name": "forewarn.css",
    }


async def seen_by(tenants: Tenants, project: str, names: dict[str, str]) -> dict[str, str]:
    """All that the project sees of itself, by address."""
    seen = {}
    for method, path in routes_of(tenants.app):
        is_stream = path.endswith(("/events", "/live-runs"))
        if method == "GET" and needed_scope(method, path) in {"read", "admin"} and not is_stream:
            address = path.format_map(names)
            seen[address] = (await tenants.ask(project, "GET", address)).text
    return seen


async def test_no_key_reads_or_writes_another_projects_things_by_any_route(tenants: Tenants) -> None:
    theirs = await furnish(tenants, "other", MARK)
    own = await furnish(tenants, "acme", "mine")
    before = await seen_by(tenants, "other", theirs)
    assert sum(MARK in text for text in before.values()) >= 6
    for method, path in sorted(routes_of(tenants.app)):
        if (method, path) in ELSEWHERE or needed_scope(method, path) is OPEN:
            continue
        assert method == "GET" or (method, path) in BODIES, f"{method} {path} is not provided for in this test"
        # Once with the other's names, and once with the own, which must change nothing of the other's either.
        for names in (theirs, own):
            if (method, path) == ("GET", "/v1/runs/{run_id}/events"):
                continue
            if names is own and method == "DELETE" and "{key_id}" in path:
                continue
            answer = await tenants.ask("acme", method, path.format_map(names), BODIES.get((method, path)))
            what = f"{method} {path.format_map(names)}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code < 500, what
            assert MARK not in answer.text, what
            if names is theirs and any(name in path for name in OWNED):
                assert answer.status_code in {403, 404}, what
            if needed_scope(method, path) == "operate":
                assert answer.status_code == 403, what
    after = await seen_by(tenants, "other", theirs)
    assert after == before


@pytest.mark.parametrize("kind", ["ingest", "read"])
async def test_a_key_of_less_scope_is_refused_wherever_it_has_none(tenants: Tenants, kind: str) -> None:
    names = await furnish(tenants, "other", MARK)
    made = await tenants.ask("other", "POST", "/v1/keys", {"kind": kind})
    tenants.keys["lesser"] = {"Authorization": f"Bearer {made.json()['token']}"}
    await tenants.book.refresh()
    for method, path in routes_of(tenants.app):
        need = needed_scope(method, path)
        if path.endswith(("/events", "/live-runs")) and need == kind:
            continue
        answer = await tenants.ask("lesser", method, path.format_map(names), BODIES.get((method, path)))
        assert (answer.status_code == 403) == (need not in {OPEN, kind}), f"{method} {path}: {answer.text[:200]}"


async def test_a_stream_of_the_others_run_is_not_there(tenants: Tenants) -> None:
    await tenants.ask("other", "PUT", "/v1/runs/theirs", {})
    assert (await tenants.ask("acme", "GET", "/v1/runs/theirs/events")).status_code == 404
