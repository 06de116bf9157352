"""How a worker's monitors come onto its shelf: from the folder of registered bundles, else from where Redis says that
one was registered."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from service.ports import MonitorRegister
from service.records import Registration
from service.registry.folders import BundleFolders
from service.worker.shelf import LoadedMonitors, ReadMonitor

log = logging.getLogger(__name__)


def folder_finder(folders: BundleFolders, register: MonitorRegister) -> Callable[[str], Awaitable[str | None]]:
    """Where this machine has a monitor's bundle. What another machine registered is looked for under its path there
    too: they may share a file system."""

    async def find(monitor_id: str) -> str | None:
        own = folders.find(monitor_id)
        if own is not None:
            return str(own)
        registration = await register.find(monitor_id)
        return None if registration is None else registration.folder

    return find


async def shelve_bundle(
    bundle: Path, read: ReadMonitor, shelf: LoadedMonitors, folders: BundleFolders, register: MonitorRegister
) -> None:
    """Load the bundle that the service is started with, make it the default, and register it. Its copy in the folder of
    registered bundles outlives what may come to lie at `bundle` later: runs that began with it go on with it.

    Raises what reading a bundle raises.
    """
    monitor = await asyncio.to_thread(read, bundle)
    shelf.put(monitor, active=True)
    try:
        _, folder = await asyncio.to_thread(folders.keep, bundle)
    except OSError as error:
        log.warning("%s is not copied to %s (%s): it must stay where it is", bundle, folders.root, error)
        folder = await asyncio.to_thread(bundle.absolute)
    registration = Registration(monitor.monitor_id, str(folder), "", time.time_ns() // 1_000_000)
    await register.put(registration)
    log.info("monitor %s from %s on %s", monitor.monitor_id, bundle, monitor.device)
