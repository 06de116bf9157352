"""A finished help-desk run, free of any raw format: who said what, which tools were called, what they answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call with its reply; `error` is the error's code, "" when it worked."""

    call_id: str
    name: str
    args: dict[str, Any]
    result: dict[str, Any]
    error: str
    thought: str


@dataclass(frozen=True, slots=True)
class CustomerSaid:
    """A message of the customer."""

    text: str


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """A message of the agent to the customer."""

    text: str
    thought: str


@dataclass(frozen=True, slots=True)
class AgentCalled:
    """One or more tool calls that the agent made at once."""

    calls: tuple[ToolCall, ...]


Event = CustomerSaid | AgentSaid | AgentCalled


@dataclass(frozen=True, slots=True)
class HelpdeskRun:
    """One conversation from the customer's first message to the end, and how it ended.

    `slips` names the agent's mistakes in order, undone ones included: to slice results by, never written into a trace.
    """

    run_id: str
    task_id: str
    agent: str
    trial: int
    events: tuple[Event, ...]
    success: bool
    slips: tuple[str, ...]

    @property
    def turns(self) -> int:
        """Agent actions: a message is one, n calls made at once are n."""
        return sum(
            len(event.calls) if isinstance(event, AgentCalled) else int(isinstance(event, AgentSaid))
            for event in self.events
        )

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """All tool calls in order."""
        return tuple(call for event in self.events if isinstance(event, AgentCalled) for call in event.calls)
