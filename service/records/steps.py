"""Steps on their way in, and as they wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from service.records.refs import RunRef


@dataclass(frozen=True, slots=True)
class NewStep:
    """One raw step on its way in. `data` is its JSON; `client_id` is "" or what makes a repeat of it known as such;
    `seq` is the sender's own count, from 0 in each run, where it keeps one.

    `ended_ns`: of a span, when it ended; it is put in order by that among those that arrive in the same short time, and
    known again by its `client_id` alone, whatever else of it has changed."""

    data: bytes
    client_id: str = ""
    seq: int | None = None
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class StepGroup:
    """Steps of one run from one request, to be stored in this order. A run without a stored step begins with
    `monitor_id`, or with that of `by_agent` for the agent that was named before, and has `shadow_id` beside it ("": no
    shadow).

    Either all steps have `ended_ns`, or none. `agent` and `service` are then whom the spans name: the first that was
    named stands, and the service where no agent was by the first step."""

    ref: RunRef
    steps: tuple[NewStep, ...]
    monitor_id: str
    shadow_id: str = ""
    by_agent: Mapping[str, str] = field(default_factory=dict)
    agent: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a stored step stands in its run: 0 for the first. A duplicate has the position of the step that it repeats.

    `position` is None for a step that came before its turn by `seq`: it is stored, and waits for those before it.
    """

    position: int | None
    duplicate: bool = False


class Entry(NamedTuple):
    """One accepted step as it waits in its partition's stream. `received_us` is the API's clock, microseconds since
    1970."""

    partition: int
    entry_id: str
    ref: RunRef
    position: int
    data: bytes
    received_us: int
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class ParkedEntry:
    """An entry that cannot be scored, and why."""

    entry: Entry
    reason: str


@dataclass(frozen=True, slots=True)
class ParkedStep:
    """A parked entry as it lies in its partition's parking stream. `data` is empty where only a listing was asked
    for."""

    partition: int
    entry_id: str
    ref: RunRef
    position: int
    received_us: int
    client_id: str
    reason: str
    data_bytes: int
    """Size of the raw step as JSON."""
    data: bytes = b""

    @property
    def parked_id(self) -> str:
        """How it is named to people: `<entry id>@<partition>`."""
        return f"{self.entry_id}@{self.partition}"

    @property
    def parked_ms(self) -> int:
        """When it was parked: milliseconds since 1970, by the clock of Redis."""
        return int(self.entry_id.partition("-")[0])
