"""Monitors: which are registered, where their bundles lie, and what scores with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from monitors.stepview import JsonValue
from service.records import Registration

if TYPE_CHECKING:
    # A process that scores nothing must not pay for numba and ONNX Runtime.
    from monitors.evidence import Evidence
    from monitors.monitor import Verdict
    from monitors.run_state import RunState


class MonitorRegister(Protocol):
    """Which monitors are registered, and what rests on them."""

    async def read_all(self) -> dict[str, Registration]:
        """All registered monitors by id."""
        ...

    async def find(self, monitor_id: str) -> Registration | None:
        """One of them, None if it is not registered."""
        ...

    async def put(self, registration: Registration) -> None:
        """Register a monitor, or write its registration anew."""
        ...

    async def drop(self, monitor_id: str) -> None:
        """Register a monitor no more."""
        ...

    async def want(self, monitor_id: str, until_ms: int) -> None:
        """Ask every worker to have a monitor loaded until then. One that was refused is tried again."""
        ...

    async def wanted(self, now_ms: int) -> dict[str, int]:
        """What is asked for still, each until when (ms)."""
        ...

    async def count_live(self, monitor_id: str) -> int:
        """How many live runs it scores, or is the shadow of."""
        ...

    async def newest_steps(self) -> list[str]:
        """The newest stored entry of each partition."""
        ...

    async def are_scored(self, newest: Sequence[str]) -> bool:
        """Whether everything up to these entries is scored."""
        ...

    async def shadow_counts(self, project: str, monitor_id: str) -> dict[str, float]:
        """What a shadow came to over a project's runs: `shadowing.COUNTS`, those that are not zero."""
        ...


class BundleStore(Protocol):
    """Where this machine keeps registered bundles."""

    @property
    def root(self) -> Path:
        """The folder of all of them."""
        ...

    def keep(self, bundle: Path) -> tuple[str, Path]:
        """Copy a bundle in, verified; its monitor id, and where it is now. Blocks. Raises BundleError, OSError."""
        ...

    def remove(self, monitor_id: str) -> bool:
        """Delete a bundle; False if it is not here. Blocks."""
        ...


class LiveMonitor(Protocol):
    """What a worker needs of a monitor; `monitors.Monitor` is one."""

    @property
    def monitor_id(self) -> str:
        """The bundle's content hash."""
        ...

    @property
    def device(self) -> str:
        """Where the graph runs."""
        ...

    def initial_state(self, group: str = "") -> RunState:
        """The state of a run of a group without steps."""
        ...

    def advance(self, states: Sequence[RunState], raw_steps: Sequence[JsonValue]) -> list[tuple[RunState, Verdict]]:
        """The next state and the verdict for one raw step of each of several runs. Pure."""
        ...

    def explain(
        self,
        state: RunState,
        raw_step: JsonValue,
        score_before: float | None = None,
        turn_symbols: Sequence[int] | None = None,
    ) -> Evidence:
        """What a raw step did to a run in the state before it. Pure. `score_before` is None for a run's first step;
        `turn_symbols` are its turns' event symbols, this step's included, None where they are not known."""
        ...


class MonitorShelf(Protocol):
    """The monitors that a worker can score with."""

    @property
    def active_id(self) -> str:
        """The monitor that new runs begin with."""
        ...

    def find(self, monitor_id: str) -> LiveMonitor:
        """A loaded monitor. Raises NotFound, whose text says why it is not there."""
        ...
