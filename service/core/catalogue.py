"""The monitors that callers may ask about: what a bundle says of itself, and its adapter. Needs neither numba nor
ONNX Runtime."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from monitors.adapter import Adapter, compile_adapter, read_spec
from monitors.bundle import Manifest, read_manifest, read_monitor_id
from monitors.bundle.folder import ADAPTER, EXAMPLES
from monitors.stepview import JsonValue
from service.core.projects import ProjectBook
from service.errors import NotFound, TransientError
from service.ports import MonitorRegister
from service.records import Registration, RunMonitors

log = logging.getLogger(__name__)

EXAMPLES_SHOWN = 3

FindFolder = Callable[[str], Path | None]


@dataclass(frozen=True, slots=True)
class MonitorEntry:
    """One monitor, without its scorer."""

    monitor_id: str
    manifest: Manifest
    adapter: Adapter
    examples: tuple[JsonValue, ...]
    folder: Path
    project: str = ""
    """The one project that sees it; "": every project."""


class MonitorCatalogue:
    """Monitors by id, and which of them a project's new runs begin with: what the project has chosen, else the one that
    the service was started with (`active_id`). `find_folder` says where this machine has a registered bundle of its
    own."""

    def __init__(self, book: ProjectBook, register: MonitorRegister, find_folder: FindFolder = lambda _: None) -> None:
        self._book = book
        self._register = register
        self._find_folder = find_folder
        self._entries: dict[str, MonitorEntry] = {}
        self._read: dict[str, Registration] = {}
        self.active_id = ""

    def choose(self, project: str) -> RunMonitors:
        """The monitors that a project's new runs begin with. Never waits."""
        chosen = self._book.settings(project).monitors
        return RunMonitors(chosen.active or self.active_id, chosen.shadow, chosen.agents)

    def chosen_ids(self) -> set[str]:
        """All monitors that some project has chosen for something."""
        return {one for name in self._book.names() for one in self._book.settings(name).monitors.ids()}

    def put(self, entry: MonitorEntry, *, active: bool) -> None:
        """List a monitor."""
        self._entries[entry.monitor_id] = entry
        if active:
            self.active_id = entry.monitor_id

    async def refresh(self) -> dict[str, Registration]:
        """Look up what is registered, read the bundles that are new, and give all registrations. A bundle that this
        machine cannot read is told of in the log, and not listed. Raises TransientError."""
        registered = await self._register.read_all()
        for monitor_id in self._entries.keys() - registered.keys() - {self.active_id}:
            del self._entries[monitor_id]
        for monitor_id, registration in registered.items():
            if self._read.get(monitor_id) != registration and monitor_id != self.active_id:
                await asyncio.to_thread(self._list, registration)
        self._read = registered
        return registered

    def find_manifest(self, monitor_id: str) -> Manifest | None:
        """What a monitor's bundle says of itself, None where it is not known here."""
        entry = self._entries.get(monitor_id)
        return None if entry is None else entry.manifest

    def list(self, project: str) -> list[MonitorEntry]:
        """The monitors that a project sees, the active one first."""
        active_id = self.choose(project).monitor_id
        seen = [entry for entry in self._entries.values() if entry.project in ("", project)]
        return sorted(seen, key=lambda entry: (entry.monitor_id != active_id, entry.monitor_id))

    async def get(self, monitor_id: str, project: str) -> MonitorEntry:
        """A monitor that a project sees; "active" names its active one. Raises NotFound."""
        wanted = self.choose(project).monitor_id if monitor_id == "active" else monitor_id
        if wanted != self.active_id:
            # Registered or removed by another process, maybe; without Redis what is known is told.
            with contextlib.suppress(TransientError):
                await self.refresh()
        entry = self._entries.get(wanted)
        if entry is None or entry.project not in ("", project):
            raise NotFound(f"there is no monitor {monitor_id[:100]}")
        return entry

    def _list(self, registration: Registration) -> None:
        folder = self._find_folder(registration.monitor_id) or Path(registration.folder)
        try:
            entry = read_entry(folder, registration.project)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one bundle, the others are listed
            log.warning("monitor %s cannot be listed: %s", registration.monitor_id, error)
            self._entries.pop(registration.monitor_id, None)
            return
        if entry.monitor_id == registration.monitor_id:
            self._entries[entry.monitor_id] = entry


def read_entry(folder: Path, project: str = "") -> MonitorEntry:
    """What a bundle says of itself. Raises BundleError or AdapterError."""
    manifest = read_manifest(folder)
    examples = orjson.loads((folder / EXAMPLES).read_bytes())
    return MonitorEntry(
        read_monitor_id(folder),
        manifest,
        compile_adapter(read_spec(folder / ADAPTER)),
        tuple(examples[:EXAMPLES_SHOWN]),
        folder,
        project,
    )
