"""Small independent parsers: what the fields of a run should be, one parser a format. They live here and
nowhere else.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from induction.reading import RawRun
from monitors.adapter import AdapterSpec, compile_adapter
from monitors.stepview import StepView


@dataclass
class Truth:
    """What one run holds: calls in order, the agent's messages, the replies of tools, and its turns."""

    calls: list[tuple[str, Any]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    turns: int = 0


@dataclass
class Agreement:
    """Counts over a corpus: how many there are, and how many the StepViews have as exactly the same values."""

    wanted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    runs_with_right_turns: int = 0

    def share(self, name: str) -> float:
        return self.found[name] / self.wanted[name]


def compare(spec: AdapterSpec, runs: list[tuple[RawRun, Truth]]) -> Agreement:
    """Count, as multisets within each run, how much of the truth the StepViews hold."""
    adapter = compile_adapter(spec)
    agreement = Agreement()
    for run, truth in runs:
        views = [adapter.view(event)[0] for event in run.events]
        have = {
            "tool": Counter(name for view in views if view.tool for name in _tool_names(view)),
            "args": Counter(
                canonical(one)
                for view in views
                if view.tool
                for one in (view.args if isinstance(view.args, list) and view.actions > 1 else [view.args])
            ),
            "action": Counter(view.action.strip() for view in views if view.action),
            "result": Counter(canonical(one) for view in views for one in _answers(view)),
        }
        want = {
            "tool": Counter(name for name, _ in truth.calls),
            "args": Counter(canonical(args) for _, args in truth.calls),
            "action": Counter(text.strip() for text in truth.messages),
            "result": Counter(canonical(text) for text in truth.replies),
        }
        for name, values in want.items():
            agreement.wanted[name] += sum(values.values())
            agreement.found[name] += sum((values & have[name]).values())
        turns = sum(view.actions for view in views)
        agreement.runs += 1
        agreement.runs_with_right_turns += abs(turns - truth.turns) <= 0.05 * truth.turns
    return agreement


def _tool_names(view: StepView) -> list[str]:
    """Names of parallel calls are joined by spaces; the name of one call may hold some itself, or stand for several."""
    if view.actions <= 1:
        return [view.tool]
    names = view.tool.split(" ")
    return names if len(names) == view.actions else [view.tool] * view.actions


def _answers(view: StepView) -> list[Any]:
    if view.result is None:
        return []
    several = isinstance(view.result, list) and (view.actions > 1 or all(isinstance(one, str) for one in view.result))
    return view.result if several else [view.result]  # type: ignore[return-value]


def canonical(value: Any) -> str:
    """One text for equal arguments, whether they came as JSON text or as an object."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value.strip()
    return json.dumps(value, sort_keys=True)


def parse_chat(messages: list[dict[str, Any]]) -> Truth:
    """Messages with role, content and tool_calls; a call has name and arguments itself or under function."""
    truth = Truth()
    for message in messages:
        if message["role"] == "assistant":
            calls = [call.get("function", call) for call in message.get("tool_calls") or []]
            truth.calls += [(call["name"], call["arguments"]) for call in calls]
            truth.messages += [message["content"]] if message.get("content") else []
            truth.turns += len(calls) or 1
        elif message["role"] == "tool":
            truth.replies += [message["content"]] if message["content"] else []
    return truth


def parse_react(text: str) -> Truth:
    """Blocks `Action: name[args]` and `Observation: ...`, up to a blank line; a score line is no reply."""
    truth = Truth()
    for block in re.split(r"^(?=Action: )", text, flags=re.MULTILINE):
        action = re.match(r"Action: (.*)", block)
        if action is None:
            continue
        truth.turns += 1
        truth.messages.append(action[1])
        call = re.fullmatch(r"(\w+)\[(.*)\]\s*", action[1])
        if call is not None:
            truth.calls.append((call[1], call[2]))
        reply = block.split("Observation:", 1)[1].split("\n\n", 1)[0].strip()
        if reply and not reply.startswith("Your score"):
            truth.replies.append(reply)
    return truth


Parser = Callable[[Any], Truth]
