"""The monitors that a worker has loaded. Runs that began with another bundle than today's find theirs by where it was
last seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from service.errors import NotFound
from service.ports import LiveMonitor

log = logging.getLogger(__name__)

ReadMonitor = Callable[[Path], LiveMonitor]
FindFolder = Callable[[str], Awaitable[str | None]]


class LoadedMonitors:
    """MonitorShelf that loads a monitor the first time one of its runs has a step."""

    def __init__(self, read_monitor: ReadMonitor, find_folder: FindFolder) -> None:
        self._read_monitor = read_monitor
        self._find_folder = find_folder
        self._monitors: dict[str, LiveMonitor] = {}
        self._absent: dict[str, str] = {}
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
    def device(self) -> str:
        """Where the active monitor runs."""
        return self._monitors[self._active_id].device if self._active_id else "none"

    def put(self, monitor: LiveMonitor, *, active: bool) -> None:
        """Keep a loaded monitor."""
        self._monitors[monitor.monitor_id] = monitor
        if active:
            self._active_id = monitor.monitor_id

    def find(self, monitor_id: str) -> LiveMonitor:
        """See `ports.MonitorShelf.find`."""
        monitor = self._monitors.get(monitor_id or self._active_id)
        if monitor is None:
            raise NotFound(self._absent.get(monitor_id, f"monitor {monitor_id or '(none)'} is not loaded"))
        return monitor

    async def fetch(self, monitor_ids: Iterable[str]) -> None:
        """Load those that are not there yet. One that cannot be loaded is remembered with the reason, and `find`
        tells it."""
        for monitor_id in set(monitor_ids) - self._monitors.keys() - self._absent.keys() - {""}:
            folder = await self._find_folder(monitor_id)
            if folder is None:
                self._absent[monitor_id] = (
                    f"monitor {monitor_id} was never registered here: serve its bundle once, then release the step"
                )
                continue
            try:
                monitor = await asyncio.to_thread(self._read_monitor, Path(folder))
            except Exception as error:  # noqa: BLE001 - whatever is wrong with an old bundle concerns its runs alone
                self._absent[monitor_id] = f"monitor {monitor_id} cannot be read from {folder}: {error}"
                log.error("%s", self._absent[monitor_id])
                continue
            if monitor.monitor_id == monitor_id:
                self.put(monitor, active=False)
            else:
                self._absent[monitor_id] = f"{folder} holds monitor {monitor.monitor_id} now, no longer {monitor_id}"
