"""Raw format 1: chat messages with tool calls, as chat-completion APIs take and give them."""

from __future__ import annotations

import json
from typing import Any

from induction.helpdesk.trace import AgentSaid, CustomerSaid, HelpdeskRun

SYSTEM = (
    "You work at the help desk of a web shop. Verify the customer's identity before any change. Pending orders can be "
    "cancelled or sent elsewhere and are then confirmed again. Delivered items can be refunded or exchanged within 30 "
    "days. Refuse what the rules do not allow, and send charges that nobody can explain to billing."
)


def to_chat(run: HelpdeskRun, *, outcome: bool = False) -> dict[str, Any]:
    """The run as one JSON object: `run_id`, `task_id`, `messages`, and `outcome` only where that is asked for."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]
    for event in run.events:
        if isinstance(event, CustomerSaid):
            messages.append({"role": "user", "content": event.text})
        elif isinstance(event, AgentSaid):
            messages.append({"role": "assistant", "content": event.text})
        else:
            tool_calls = [
                {
                    "id": call.call_id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.args)},
                }
                for call in event.calls
            ]
            messages.append({"role": "assistant", "content": None, "tool_calls": tool_calls})
            messages.extend(
                {"role": "tool", "tool_call_id": call.call_id, "content": json.dumps(call.result)}
                for call in event.calls
            )
    document: dict[str, Any] = {"run_id": run.run_id, "task_id": run.task_id, "messages": messages}
    if outcome:
        document["outcome"] = {"success": run.success}
    return document
