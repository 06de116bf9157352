"""What every measure works with: the bundle, the steps, how long to measure, and a service started afresh."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench.bundle import BenchBundle
from scripts.bench.events import Script, write_scripts
from scripts.bench.load import Load
from scripts.bench.service import Service, serving
from scripts.bench.windows import Window

# Enough that every group commit is wide; more only wait longer.
SINGLE_CONNECTIONS = 64
# 16 requests of 32 steps: as many steps under way as there are runs live.
NDJSON_CONNECTIONS = 16

Figure = float | int | None
Figures = dict[str, Figure]


@dataclass(slots=True)
class Bench:
    """One run of the bench. `seconds` is the length of a window; `quick` is for tests: figures of it mean nothing."""

    bundle: BenchBundle
    scripts: list[Script]
    folder: Path
    seconds: float
    quick: bool
    say: Callable[[str], None]
    load_cpu_s: float = 0.0
    ndjson: bool = True
    """Whether the service takes `POST /v1/steps`; an older one does not, and is then loaded with single steps."""
    rates: dict[str, Window] = field(default_factory=dict)
    """The highest load that scoring keeps up with, by kind of load, once found."""
    _names: Iterator[int] = field(default_factory=itertools.count)

    @property
    def modes(self) -> tuple[str, ...]:
        """The kinds of load that the service takes, the usual one first."""
        return ("ndjson", "single") if self.ndjson else ("single",)

    @property
    def script_file(self) -> Path:
        """The steps as wrk reads them."""
        path = self.folder / "scripts.txt"
        if not path.exists():
            write_scripts(self.scripts, path)
        return path

    def name(self, what: str) -> str:
        """A name for runs that no other load of this bench uses."""
        return f"{what}{next(self._names)}"

    @contextmanager
    def service(self, *, role: str = "all", command: list[str] | None = None, **settings: str) -> Iterator[Service]:
        """A service with an empty Redis. Settings by their names without FOREWARN_."""
        folder = self.folder / self.name("service")
        named = {f"FOREWARN_{name.upper()}": value for name, value in settings.items()}
        try:
            with serving(self.bundle.path, folder, role=role, command=command, settings=named) as service:
                if command is None:
                    self.ndjson = "/v1/steps" in service.http.get("/openapi.json").json()["paths"]
                yield service
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def load(self, mode: str, rate: float = 0.0, seconds: float | None = None) -> Load:
        """The usual load of a kind: single, ndjson or echo."""
        connections = NDJSON_CONNECTIONS if mode == "ndjson" else SINGLE_CONNECTIONS
        return Load(mode, self.seconds if seconds is None else seconds, connections, rate)

    def note(self, window: Window, what: str) -> Window:
        """Count the load's processor time, and tell how the window went."""
        self.load_cpu_s += window.load.cpu_s
        costs = ", ".join(f"{kind} {us:.0f}" for kind, us in window.cpu_us_per_step.items())
        refused = f", {window.load.refused} requests refused" if window.load.refused else ""
        refused += f", {window.load.broken} broken" if window.load.broken else ""
        self.say(
            f"  {what}: accepted {window.accepted_per_s:,.0f}/s, scored {window.scored_per_s:,.0f}/s, backlog "
            f"{window.backlog_growth:+,.0f}; CPU µs a step: {costs}{refused}"
        )
        return window
