"""Raw format 3: a plain-text ReAct log. One line per thought, action, observation, answer and customer message."""

from __future__ import annotations

import json

from induction.helpdesk.trace import AgentSaid, CustomerSaid, HelpdeskRun


def to_log(run: HelpdeskRun) -> str:
    """The run as a log; calls made at once stand one after the other, each with its observation."""
    lines: list[str] = []
    for event in run.events:
        if isinstance(event, CustomerSaid):
            lines.append(f"Customer: {event.text}")
        elif isinstance(event, AgentSaid):
            lines += [f"Thought: {event.thought}", f"Answer: {event.text}"]
        else:
            for call in event.calls:
                lines += [
                    f"Thought: {call.thought}",
                    f"Action: {call.name}[{json.dumps(call.args)}]",
                    f"Observation: {json.dumps(call.result)}",
                ]
    return "\n".join(lines) + "\n"
