"""What a run is called, and what most of the service speaks in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, NamedTuple, get_args

import orjson

DEFAULT_PROJECT = "default"

Shape = Literal["secrets", "email", "card", "phone"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
"""What can be masked by itself; see `core.shapes`."""


class RunRef(NamedTuple):
    """A run's identity everywhere: (project, run_id). A tuple, since it is looked up some ten times a step."""

    project: str
    run_id: str

    @property
    def name(self) -> str:
        """The identity as one text, `project:run_id`. A project holds no colon, so it reads back."""
        return f"{self.project}:{self.run_id}"

    @property
    def digest(self) -> str:
        """What tells the run from others where its name must not be kept."""
        return sha256(f"{self.project}\0{self.run_id}".encode()).hexdigest()

    @property
    def deletion_id(self) -> str:
        """The id of the run's deletion, which is asked for as often as one likes."""
        return f"del_{self.digest[:32]}"

    @staticmethod
    def from_name(name: str) -> RunRef:
        """The identity that `name` gave."""
        project, _, run_id = name.partition(":")
        return RunRef(project, run_id)


class RunMonitors(NamedTuple):
    """Which monitors a project's new runs begin with; "" for none."""

    monitor_id: str = ""
    shadow_id: str = ""
    by_agent: Mapping[str, str] = {}

    def of_agent(self, agent: str) -> str:
        """The monitor of a run whose agent was named ("": nobody was)."""
        return self.by_agent.get(agent, self.monitor_id)


@dataclass(frozen=True, slots=True)
class Registration:
    """A monitor that workers may load: where its bundle is, and who may use it."""

    monitor_id: str
    folder: str
    """On the machine that registered it; other machines look in their own folder of monitors first."""
    project: str = ""
    """The one project that sees it and may use it; "": every project."""
    registered_ms: int = 0

    def to_bytes(self) -> bytes:
        """The registration as stored, without its id."""
        return orjson.dumps({"folder": self.folder, "project": self.project, "registered_ms": self.registered_ms})

    @staticmethod
    def from_bytes(monitor_id: str, raw_registration: bytes) -> Registration:
        """The registration that `to_bytes` wrote, or an earlier forewarn, which wrote the folder alone."""
        if not raw_registration.startswith(b"{"):
            return Registration(monitor_id, raw_registration.decode())
        return Registration(monitor_id, **orjson.loads(raw_registration))


JsonObject = dict[str, Any]
