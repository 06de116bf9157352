"""The API's own monitors: loaded when somebody first asks what moved a run, a few of them."""

from __future__ import annotations

from pathlib import Path

from monitors.bundle import read_manifest, verify_files
from service.app.shelving import folder_finder
from service.core.catalogue import MonitorCatalogue
from service.core.moving import Moving
from service.ports import LiveMonitor, MonitorRegister
from service.registry.folders import BundleFolders
from service.settings import Settings
from service.worker.shelf import LoadedMonitors

# Some 100 MB each.
KEPT = 2


def build_moving(
    settings: Settings, catalogue: MonitorCatalogue, bundles: BundleFolders, register: MonitorRegister
) -> Moving:
    """What tells what moved a run's score."""
    registered = folder_finder(bundles, register)

    async def find_folder(monitor_id: str) -> str | None:
        if settings.bundle is not None and monitor_id == catalogue.active_id:
            return str(settings.bundle)
        return await registered(monitor_id)

    shelf = LoadedMonitors(_read, find_folder, KEPT)

    async def find_monitor(monitor_id: str) -> LiveMonitor:
        # A bundle that could not be read before may be there by now.
        shelf.retry(monitor_id)
        await shelf.fetch([monitor_id])
        return shelf.find(monitor_id)

    return Moving(find_monitor)


def _read(folder: Path) -> LiveMonitor:
    # Here, since a process that is never asked need not pay for numba and ONNX Runtime.
    from monitors import Monitor

    # Workers ask a bundle for all that a monitor keeps to before they score by it: seconds, and this half a second.
    verify_files(folder, read_manifest(folder))
    return Monitor.read(folder, device="cpu", verify=False)
