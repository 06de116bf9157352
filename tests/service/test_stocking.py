"""What a worker has loaded: what is chosen or asked for, the rest within bounds, and why something is not."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from service.core.projects import MonitorChoice, ProjectBook, ProjectSettings
from service.errors import NotFound
from service.redis_log.monitors import RedisMonitorRegister
from service.redis_log.projects import RedisProjectStore
from service.worker import shelf as shelf_module
from service.worker.shelf import LoadedMonitors
from service.worker.stocking import Stocking
from tests.service.conftest import Core
from tests.service.fakes import FakeMonitor


class Bundles:
    """Reads monitors by name; some are broken, and reading may be slow."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.read: list[str] = []
        self.may_read = threading.Event()
        self.may_read.set()

    def __call__(self, folder: Path) -> Any:
        assert self.may_read.wait(5)
        self.read.append(folder.name)
        if folder.name in self.broken:
            raise ValueError("broken")
        return FakeMonitor(folder.name)

    async def find(self, monitor_id: str) -> str | None:
        return None if monitor_id == "m-nowhere" else f"/somewhere/{monitor_id}"


@pytest.fixture
def bundles() -> Bundles:
    return Bundles()


def shelf_of(bundles: Bundles, most_unpinned: int = 8) -> LoadedMonitors:
    return LoadedMonitors(bundles, bundles.find, most_unpinned)


async def test_those_who_ask_at_once_wait_for_one_load(bundles: Bundles) -> None:
    shelf = shelf_of(bundles)
    await asyncio.gather(*(shelf.fetch(["m-a"]) for _ in range(5)))
    assert bundles.read == ["m-a"]


async def test_a_slow_load_holds_up_nobody_who_needs_another(bundles: Bundles) -> None:
    shelf = shelf_of(bundles)
    await shelf.fetch(["m-a"])
    bundles.may_read.clear()
    slow = asyncio.create_task(shelf.fetch(["m-slow"]))
    await asyncio.sleep(0.02)
    await asyncio.wait_for(shelf.fetch(["m-a"]), 1)
    bundles.may_read.set()
    await slow
    assert shelf.ids == ("m-a", "m-slow")


async def test_the_longest_unused_make_room_and_what_is_pinned_or_in_use_stays(
    bundles: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(shelf_module.time, "monotonic", lambda: now)
    shelf = shelf_of(bundles, most_unpinned=1)
    await shelf.fetch(["m-a", "m-b", "m-c"])
    assert shelf.ids == ("m-a", "m-b", "m-c")
    now += 100
    shelf.find("m-b")
    shelf.pin(["m-a"])
    assert shelf.ids == ("m-a", "m-b")
    await shelf.fetch(["m-c"])
    assert shelf.find("m-c").monitor_id == "m-c"


async def test_what_cannot_be_loaded_is_told_with_the_reason_until_it_is_tried_again(bundles: Bundles) -> None:
    shelf = shelf_of(bundles)
    bundles.broken.add("m-a")
    await shelf.fetch(["m-a", "m-nowhere"])
    assert set(shelf.refused) == {"m-a", "m-nowhere"}
    with pytest.raises(NotFound, match="broken"):
        shelf.find("m-a")
    bundles.broken.clear()
    await shelf.fetch(["m-a"])
    assert "m-a" in shelf.refused
    shelf.retry("m-a")
    await shelf.fetch(["m-a"])
    assert shelf.find("m-a").monitor_id == "m-a"


async def test_a_worker_loads_what_projects_have_chosen_and_what_is_asked_for(core: Core, bundles: Bundles) -> None:
    register, book = RedisMonitorRegister(core.client, core.keys), ProjectBook(RedisProjectStore(core.client))
    choice = MonitorChoice(active="m-active", agents={"sales": "m-agent"}, shadow="m-shadow", history=("m-before",))
    await book.change("acme", lambda _: ProjectSettings(monitors=choice))
    until_ms = time.time_ns() // 1_000_000 + 60_000
    await register.want("m-wanted", until_ms)
    await register.want("m-no-longer", 1)
    changes: list[int] = []
    shelf = shelf_of(bundles)
    stocking = Stocking(shelf, register, book, lambda: changes.append(1))
    await stocking.look()
    assert shelf.ids == ("m-active", "m-agent", "m-shadow", "m-wanted")
    assert stocking.tried == {"m-wanted": until_ms}
    await stocking.look()
    assert changes == [1]


async def test_a_refused_monitor_is_tried_again_when_somebody_asks_again(core: Core, bundles: Bundles) -> None:
    register, book = RedisMonitorRegister(core.client, core.keys), ProjectBook(RedisProjectStore(core.client))
    shelf = shelf_of(bundles)
    stocking = Stocking(shelf, register, book, lambda: None)
    bundles.broken.add("m-a")
    now_ms = time.time_ns() // 1_000_000
    await register.want("m-a", now_ms + 60_000)
    await stocking.look()
    await stocking.look()
    assert bundles.read == ["m-a"]
    assert "broken" in shelf.refused["m-a"]
    bundles.broken.clear()
    await register.want("m-a", now_ms + 61_000)
    await stocking.look()
    assert shelf.ids == ("m-a",)
    assert stocking.tried == {"m-a": now_ms + 61_000}


def test_a_report_tells_what_a_worker_refuses() -> None:
    from service.records import WorkerReport

    report = WorkerReport("w", 1, 2, (0, 1), ("m-a",), "cpu", {"m-b": "broken"}, {"m-b": 7})
    assert WorkerReport.from_json(report.to_json()) == report
