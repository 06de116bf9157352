"""The monitors that callers may ask about: what a bundle says of itself, and its adapter. Needs neither numba nor
ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson

from monitors.adapter import Adapter, compile_adapter, read_spec
from monitors.bundle import Manifest, read_manifest, read_monitor_id
from monitors.bundle.folder import ADAPTER, EXAMPLES
from monitors.stepview import JsonValue
from service.core.projects import ProjectBook
from service.errors import NotFound
from service.records import RunMonitors

EXAMPLES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class MonitorEntry:
    """One monitor, without its scorer."""

    monitor_id: str
    manifest: Manifest
    adapter: Adapter
    examples: tuple[JsonValue, ...]


class MonitorCatalogue:
    """Monitors by id, and which of them a project's new runs begin with: what the project has chosen, else the one that
    the service was started with (`active_id`)."""

    def __init__(self, book: ProjectBook) -> None:
        self._book = book
        self._entries: dict[str, MonitorEntry] = {}
        self.active_id = ""

    def choose(self, project: str) -> RunMonitors:
        """The monitors that a project's new runs begin with. Never waits."""
        chosen = self._book.settings(project).monitors
        return RunMonitors(chosen.active or self.active_id, chosen.shadow, chosen.agents)

    def put(self, entry: MonitorEntry, *, active: bool) -> None:
        """List a monitor."""
        self._entries[entry.monitor_id] = entry
        if active:
            self.active_id = entry.monitor_id

    def list(self) -> list[MonitorEntry]:
        """All monitors, the active one first."""
        return sorted(self._entries.values(), key=lambda entry: (entry.monitor_id != self.active_id, entry.monitor_id))

    def get(self, monitor_id: str) -> MonitorEntry:
        """A monitor; "active" names the active one. Raises NotFound."""
        entry = self._entries.get(self.active_id if monitor_id == "active" else monitor_id)
        if entry is None:
            raise NotFound(f"there is no monitor {monitor_id}")
        return entry


def read_entry(folder: Path) -> MonitorEntry:
    """What a bundle says of itself. Raises BundleError or AdapterError."""
    manifest = read_manifest(folder)
    examples = orjson.loads((folder / EXAMPLES).read_bytes())
    return MonitorEntry(
        read_monitor_id(folder),
        manifest,
        compile_adapter(read_spec(folder / ADAPTER)),
        tuple(examples[:EXAMPLES_SHOWN]),
    )
