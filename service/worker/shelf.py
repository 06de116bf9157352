"""The monitors that a worker has loaded. Runs that began with another bundle than today's find theirs by where it was
last seen."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from service.errors import NotFound
from service.ports import LiveMonitor

log = logging.getLogger(__name__)

ReadMonitor = Callable[[Path], LiveMonitor]
FindFolder = Callable[[str], Awaitable[str | None]]

# A batch may still be on its way to Redis that asks a monitor for evidence: nothing that was used lately is unloaded.
UNUSED_S = 60.0
REASON_CHARS = 500


class LoadedMonitors:
    """MonitorShelf that loads a monitor the first time one of its runs has a step, off the scoring thread. Beside those
    that are pinned it keeps at most `most_unpinned`, the longest unused going first."""

    def __init__(self, read_monitor: ReadMonitor, find_folder: FindFolder, most_unpinned: int = 8) -> None:
        self._read_monitor = read_monitor
        self._find_folder = find_folder
        self._most_unpinned = most_unpinned
        self._monitors: dict[str, LiveMonitor] = {}
        self._used: dict[str, float] = {}
        self._absent: dict[str, str] = {}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._pinned: frozenset[str] = frozenset()
        self._active_id = ""

    @property
    def active_id(self) -> str:
        """See `ports.MonitorShelf.active_id`; "" while there is none."""
        return self._active_id

    @property
    def ids(self) -> tuple[str, ...]:
        """All loaded monitors, the active one first."""
        others = tuple(sorted(name for name in self._monitors if name != self._active_id))
        return (self._active_id, *others) if self._active_id else others

    @property
    def refused(self) -> Mapping[str, str]:
        """Monitors that were asked for and cannot be loaded, each with the reason."""
        return self._absent

    @property
    def device(self) -> str:
        """Where the active monitor runs, or any where none is active."""
        monitor = self._monitors.get(self._active_id) or next(iter(self._monitors.values()), None)
        return "none" if monitor is None else monitor.device

    def put(self, monitor: LiveMonitor, *, active: bool) -> None:
        """Keep a loaded monitor."""
        self._monitors[monitor.monitor_id] = monitor
        self._used[monitor.monitor_id] = time.monotonic()
        self._absent.pop(monitor.monitor_id, None)
        if active:
            self._active_id = monitor.monitor_id

    def find(self, monitor_id: str) -> LiveMonitor:
        """See `ports.MonitorShelf.find`."""
        name = monitor_id or self._active_id
        monitor = self._monitors.get(name)
        if monitor is None:
            raise NotFound(self._absent.get(monitor_id, f"monitor {monitor_id or '(none)'} is not loaded"))
        self._used[name] = time.monotonic()
        return monitor

    def pin(self, monitor_ids: Iterable[str]) -> None:
        """Say which monitors stay, however long unused; others may have to go now."""
        self._pinned = frozenset(monitor_ids)
        self._make_room()

    def retry(self, monitor_id: str) -> None:
        """Forget why a monitor could not be loaded: it is tried again when it is fetched next."""
        self._absent.pop(monitor_id, None)

    async def fetch(self, monitor_ids: Iterable[str]) -> None:
        """Load those that are not there yet. One that cannot be loaded is remembered with the reason, and `find`
        tells it."""
        missing = set(monitor_ids) - self._monitors.keys() - self._absent.keys() - {""}
        for monitor_id in sorted(missing):
            # Whoever else asks for it waits for the same load.
            if monitor_id not in self._loading:
                task = asyncio.create_task(self._load(monitor_id), name=f"load {monitor_id}")
                self._loading[monitor_id] = task
                task.add_done_callback(lambda _, name=monitor_id: self._loading.pop(name, None))  # type: ignore[misc]
            await asyncio.shield(self._loading[monitor_id])
        if missing:
            self._make_room()

    async def _load(self, monitor_id: str) -> None:
        folder = await self._find_folder(monitor_id)
        if folder is None:
            self._absent[monitor_id] = (
                f"monitor {monitor_id} was never registered here, or was removed: register its bundle "
                "(forewarn monitors add), then release the step"
            )
            return
        try:
            monitor = await asyncio.to_thread(self._read_monitor, Path(folder))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a bundle concerns its runs alone
            reason = f"monitor {monitor_id} cannot be read from {folder}: {error}"
            self._absent[monitor_id] = reason[:REASON_CHARS]
            log.error("%s", self._absent[monitor_id])
            return
        if monitor.monitor_id == monitor_id:
            self.put(monitor, active=False)
        else:
            self._absent[monitor_id] = f"{folder} holds monitor {monitor.monitor_id} now, no longer {monitor_id}"

    def _make_room(self) -> None:
        loose = [name for name in self._monitors if name != self._active_id and name not in self._pinned]
        loose.sort(key=lambda name: self._used.get(name, 0.0))
        for name in loose[: max(0, len(loose) - self._most_unpinned)]:
            if time.monotonic() - self._used.get(name, 0.0) > UNUSED_S:
                log.info("monitor %s is unloaded: nothing needs it now", name)
                del self._monitors[name]
