"""Which runs of an archive are wanted, and what became of the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from induction.archive.lines import RunLine

# Why a run was left out, in the order in which it is told.
NO_OUTCOME = "have no outcome"
GOING_ON = "have not ended, or their end is not in the archive"
INTERVENED = "had somebody intervene (--include-intervened takes them)"
OTHERS = "are others than asked for (project, agent, time)"
INCOMPLETE = "lack a step"
NO_STEPS = "have no steps: not kept, or beyond the retention"
CONTRADICTORY = "have two different steps at one position"
REASONS = (NO_OUTCOME, GOING_ON, INTERVENED, OTHERS, INCOMPLETE, NO_STEPS, CONTRADICTORY)

SplitBy = Literal["task", "run"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs to take. Times are milliseconds since 1970, of when a run began; None for no bound."""

    projects: tuple[str, ...] = ()
    """None named: the archive's only one."""
    agents: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    include_intervened: bool = False
    split_by: SplitBy = "task"
    """"run": each run is a task of its own, as for tasks that live runs do again and again."""

    def refuse(self, run: RunLine) -> str | None:
        """Return why a run is not wanted, None for one that is."""
        since, until = self.since_ms or 0, self.until_ms
        if run.created_ms < since or (until is not None and run.created_ms >= until):
            return OTHERS
        if (self.projects and run.project not in self.projects) or (self.agents and run.agent not in self.agents):
            return OTHERS
        if run.success is None:
            return NO_OUTCOME
        return INTERVENED if run.intervened and not self.include_intervened else None

    def name_task(self, run: RunLine) -> str:
        """Return the task that a run counts for: its own name where nobody named one."""
        return run.name if self.split_by == "run" or not run.task else run.task


@dataclass(slots=True)
class Tally:
    """What was taken and what was left out."""

    taken: int = 0
    failures: int = 0
    steps: int = 0
    without_task: int = 0
    control: int = 0
    intervened: int = 0
    tasks: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    damaged_segments: int = 0
    """Segments that break off; what a killed process left there is in another."""
    unread_lines: int = 0
    """Lines that say nothing that an archive says."""
    monitors: Counter[str] = field(default_factory=Counter)
    """Runs taken, by the monitor that scored them."""
