"""Registering, activating, shadowing, rolling back and removing monitors, over HTTP and a worker in the test's loop."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitors.bundle import read_monitor_id
from service.api.application import create_app
from service.app.api import build_deps
from service.core.projects import ProjectBook
from service.redis_log.projects import RedisProjectStore
from service.settings import read_settings
from tests.service.conftest import PARTITIONS, Core
from tests.service.fakes import FakeMonitor
from tests.service.other_bundle import write_twin
from tests.tiny_bundle import shared_tiny_bundle


@dataclass
class Service:
    """The API with a default monitor, and a second bundle to register."""

    http: httpx.AsyncClient
    core: Core
    book: ProjectBook
    default: str
    twin: Path
    folder: Path

    @property
    def other(self) -> str:
        return read_monitor_id(self.twin)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A worker that follows the projects' choices."""
        stop = asyncio.Event()
        following = asyncio.create_task(self.book.run(stop))
        async with self.core.working(monitor=FakeMonitor(self.default), book=self.book):
            yield
        stop.set()
        await following

    async def ask(self, method: str, path: str, status: int = 200, **said: Any) -> dict[str, Any]:
        answer = await self.http.request(method, f"/v1/monitors{path}", **said)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    async def add_twin(self) -> str:
        await self.ask("POST", "", 201, json={"path": str(self.twin)})
        return self.other

    async def begin(self, run_id: str) -> dict[str, Any]:
        """A new run of two steps, once they are scored."""
        answer = await self.http.post(f"/v1/runs/{run_id}/steps", json=[{"n": 0}, {"n": 1}])
        assert answer.status_code == 202, answer.text
        await self.core.until_scored(run_id, 2)
        return dict((await self.http.get(f"/v1/runs/{run_id}")).json())


@pytest.fixture
async def service(core: Core, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    bundle = shared_tiny_bundle(tmp_path_factory.getbasetemp()).path
    settings = read_settings(bundle=bundle, monitors_dir=tmp_path / "monitors")
    deps, board, _ = build_deps(settings, core.client, PARTITIONS)
    transport = httpx.ASGITransport(create_app(deps, version="0"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as http:
        book = ProjectBook(RedisProjectStore(core.client))
        twin = write_twin(bundle, tmp_path / "twin")
        await core.register(read_monitor_id(bundle))
        yield Service(http, core, book, read_monitor_id(bundle), twin, settings.monitors_folder)
    await board.close()


async def test_a_switch_concerns_new_runs_alone_and_can_be_rolled_back(service: Service) -> None:
    async with service.working():
        assert (await service.begin("a"))["monitor_id"] == service.default
        other = await service.add_twin()
        chosen = await service.ask("POST", f"/{other}/activate")
        assert (chosen["active"], chosen["history"]) == (other, [service.default])
        assert (await service.begin("b"))["monitor_id"] == other
        assert (await service.begin("a"))["monitor_id"] == service.default
        assert (await service.ask("GET", "/active"))["monitor_id"] == other
        assert (await service.ask("POST", "/rollback"))["active"] == service.default
        assert (await service.begin("c"))["monitor_id"] == service.default
        assert (await service.ask("POST", "/rollback", 409))["type"] == "urn:forewarn:problem:monitor-in-use"


async def test_an_agent_may_have_a_monitor_of_its_own(service: Service) -> None:
    async with service.working():
        other = await service.add_twin()
        await service.ask("POST", f"/{other}/activate", json={"agent": "sales"})
        await service.http.put("/v1/runs/a", json={"agent": "sales"})
        assert (await service.begin("a"))["monitor_id"] == other
        assert (await service.begin("b"))["monitor_id"] == service.default
        assert (await service.ask("GET", f"/{other}"))["agents"] == ["sales"]
        assert (await service.ask("POST", "/rollback", json={"agent": "sales"}))["agents"] == {}


async def test_a_shadow_is_seen_with_the_run_and_with_the_monitor(service: Service) -> None:
    async with service.working():
        other = await service.add_twin()
        await service.ask("POST", f"/{service.default}/shadow", 409)
        assert (await service.ask("POST", f"/{other}/shadow"))["shadow"] == other
        run = await service.begin("a")
        assert (run["monitor_id"], run["shadow"]["monitor_id"], run["shadow"]["steps"]) == (service.default, other, 2)
        assert (await service.ask("GET", f"/{other}"))["as_shadow"]["steps"] == 2
        page = (await service.http.get(f"/monitors/{other}")).text
        assert "It scored 2 steps of 1 runs along with the monitor" in page
        assert f"/monitors/{other}#beside" in (await service.http.get(f"/monitors/{service.default}")).text
        await service.ask("DELETE", f"/{other}/shadow")
        assert (await service.begin("b"))["shadow"] is None
        await service.ask("DELETE", f"/{other}/shadow", 404)


async def test_a_monitor_that_a_worker_refuses_is_not_activated_and_harms_nothing(service: Service) -> None:
    def read(name: str) -> FakeMonitor:
        raise ValueError("the canary sings another song")

    service.core.read = read
    async with service.working():
        other = await service.add_twin()
        refusal = await service.ask("POST", f"/{other}/activate", 409)
        assert refusal["type"] == "urn:forewarn:problem:monitor-refused"
        assert "the canary sings another song" in refusal["detail"]
        listed = {one["monitor_id"]: one for one in (await service.ask("GET", ""))["monitors"]}
        assert (listed[other]["state"], listed[service.default]["state"]) == ("refused", "ready")
        assert "canary" in listed[other]["reason"]
        assert (await service.begin("a"))["monitor_id"] == service.default
        service.core.read = FakeMonitor
        assert (await service.ask("POST", f"/{other}/activate"))["active"] == other


async def test_what_is_used_cannot_be_removed_and_what_is_not_goes_with_its_files(service: Service) -> None:
    async with service.working():
        other = await service.add_twin()
        await service.ask("POST", f"/{other}/activate")
        await service.begin("a")
        assert "active, or a shadow" in (await service.ask("DELETE", f"/{other}", 409))["detail"]
        await service.ask("POST", "/rollback")
        assert "1 live runs" in (await service.ask("DELETE", f"/{other}", 409))["detail"]
        assert (await service.ask("GET", f"/{other}"))["state"] == "ready"
        await service.http.post("/v1/runs/a/end")
        await service.ask("DELETE", f"/{other}")
        await service.ask("GET", f"/{other}", 404)
        await service.ask("POST", f"/{other}/activate", 404)
        assert "started with" in (await service.ask("DELETE", f"/{service.default}", 409))["detail"]
    assert list(service.folder.iterdir()) == []


async def test_a_bundle_may_be_uploaded(service: Service) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(service.twin, "twin")
    headers = {"Content-Type": "application/gzip"}
    answer = await service.ask("POST", "", 201, content=packed.getvalue(), headers=headers)
    assert answer == {"monitor_id": service.other, "name": "twin", "created": True}
    assert (service.folder / service.other / "manifest.json").exists()
    again = await service.ask("POST", "", 200, content=packed.getvalue(), headers=headers)
    assert not again["created"]


@pytest.mark.parametrize(
    "said",
    [
        {"json": {"path": "/etc"}},
        {"json": {"path": "relative"}},
        {"json": ["/etc"]},
        {"content": b"no archive", "headers": {"Content-Type": "application/zip"}},
    ],
)
async def test_what_is_no_bundle_is_refused(service: Service, said: dict[str, Any]) -> None:
    await service.ask("POST", "", 422, **said)


async def test_a_monitor_for_one_project_is_unknown_to_others(service: Service) -> None:
    await service.ask("POST", "?project=acme", 201, json={"path": str(service.twin)})
    await service.ask("GET", f"/{service.other}", 404)
    await service.ask("POST", f"/{service.other}/activate", 404)
    assert [one["monitor_id"] for one in (await service.ask("GET", ""))["monitors"]] == [service.default]


async def test_acts_are_in_the_audit_log(service: Service) -> None:
    async with service.working():
        other = await service.add_twin()
        await service.ask("POST", f"/{other}/activate")
    entries = (await service.http.get("/v1/audit")).json()["entries"]
    assert [(one["act"], one["target"]) for one in entries] == [
        ("monitor.activate", other),
        ("monitor.register", other),
    ]
