"""What live runs will be held against: what the monitor makes of its calibration runs, noted while they are scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from monitors.adapter.coverage import filled_bits
from monitors.bundle.reference import TOOL_CHARS, ReferenceRecord, build_reference, tools_of
from monitors.monitor import Monitor, Verdict
from monitors.profile import NEW_TOOL, StepCounter, to_share
from monitors.run_state import RunState
from monitors.stepview import JsonValue


@dataclass(slots=True)
class RunNotes:
    """What is noted of one run."""

    steps: StepCounter = field(default_factory=StepCounter)
    tools: Counter[str] = field(default_factory=Counter)
    """Raw steps by what their `tool` says."""

    def names(self) -> set[str]:
        """Return the tools that the run calls."""
        return {tool for joined in self.tools for tool in tools_of(joined) if len(tool) <= TOOL_CHARS}


NotedState = tuple[RunState, RunNotes]


class NotingMonitor:
    """Scores as the monitor does, and notes what it makes of each run."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.runs: list[RunNotes] = []

    def initial_state(self, group: str = "") -> NotedState:
        """Return the state of a run of a group without steps."""
        self.runs.append(RunNotes())
        return self._monitor.initial_state(group), self.runs[-1]

    def advance(self, states: Sequence[NotedState], raw_steps: Sequence[JsonValue]) -> list[tuple[NotedState, Verdict]]:
        """Return what the monitor does."""
        results = self._monitor.advance([state for state, _ in states], raw_steps)
        noted = []
        for (_, notes), (state, verdict) in zip(states, results, strict=True):
            if verdict.case is not None or not verdict.known:
                notes.steps.add(verdict.symbol, filled_bits(verdict.view), known=verdict.known, new_tool=False)
                if verdict.view.tool:
                    notes.tools[verdict.view.tool] += 1
            noted.append(((state, notes), verdict))
        return noted

    def to_reference(self, n_symbols: int) -> ReferenceRecord | None:
        """Return the reference of the runs scored so far; None where they are too few.

        A run's tools are new if no *other* calibration run calls them, as those of a live run are if none of them does:
        seen from one run fewer, so a live run has, if anything, less that is new.
        """
        calling = Counter(tool for notes in self.runs for tool in notes.names())
        shares = []
        for notes in self.runs:
            profile = notes.steps.to_profile()
            share = profile.to_shares(n_symbols)
            if share:
                own = [joined for joined in notes.tools if any(calling[tool] < 2 for tool in tools_of(joined))]
                new_tools = sum(notes.tools[joined] for joined in own)
                shares.append({**share, NEW_TOOL: to_share(new_tools, profile.steps)})
        return build_reference(shares, sorted(calling))
