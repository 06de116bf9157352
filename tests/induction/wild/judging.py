"""How much of the truth of a run its StepViews hold, where a format leaves more than one fair reading."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from induction.reading import RawRun
from monitors.adapter import AdapterSpec, compile_adapter
from monitors.adapter.terminal import strip_terminal
from monitors.stepview import StepView
from tests.induction.truth import canonical

Fair = tuple[Any, ...]
"""The readings of one value any of which is right."""
LEAST = {"tool": 0.95, "args": 0.95, "action": 0.95, "result": 0.9}


@dataclass
class Told:
    """What one run holds, each value with its fair readings; `turns` likewise."""

    tools: list[Fair] = field(default_factory=list)
    args: list[Fair] = field(default_factory=list)
    messages: list[Fair] = field(default_factory=list)
    replies: list[Fair] = field(default_factory=list)
    turns: Counter[str] = field(default_factory=Counter)

    def call(self, name: str, args: Any) -> None:
        """Add one call."""
        self.tools.append((name,))
        self.args.append((args,))


Runs = dict[tuple[str, int | None], Told]


@dataclass
class Shares:
    """Counts over a corpus."""

    wanted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    missed: dict[str, list[str]] = field(default_factory=dict)
    runs: int = 0
    right_turns: int = 0

    def share(self, name: str) -> float | None:
        """Return the share found of a field, None where there is nothing to find."""
        return self.found[name] / self.wanted[name] if self.wanted[name] else None

    def short(self) -> list[str]:
        """Return the fields that fall short of what is asked."""
        return [name for name, least in LEAST.items() if (got := self.share(name)) is not None and got < least]


def judge(spec: AdapterSpec, runs: list[tuple[RawRun, Told]]) -> Shares:
    """Count, within each run, how many values of the truth the StepViews have, each StepView's value used once."""
    adapter = compile_adapter(spec)
    shares = Shares()
    for run, told in runs:
        views = [adapter.view(event)[0] for event in run.events]
        have = {
            "tool": Counter(name for view in views if view.tool for name in _names(view)),
            "args": Counter(canonical(one) for view in views if view.tool for one in _each(view.args, view)),
            "action": Counter(_plain(view.action) for view in views if view.action),
            "result": Counter(_plain(one) for view in views for one in _answers(view)),
        }
        want = {"tool": told.tools, "args": told.args, "action": told.messages, "result": told.replies}
        for name, values in want.items():
            shares.wanted[name] += len(values)
            for fair in values:
                read = next((one for one in map(_as(name), fair) if have[name][one] > 0), None)
                if read is None:
                    shares.missed.setdefault(name, []).append(f"{run.file}: {str(fair[0])[:200]!r}")
                else:
                    have[name][read] -= 1
                    shares.found[name] += 1
        turns = sum(view.actions for view in views)
        shares.runs += 1
        shares.right_turns += any(abs(turns - count) <= 0.05 * count for count in told.turns.values())
    return shares


def _as(name: str) -> Any:
    return _plain if name in ("action", "result") else canonical


def _plain(value: Any) -> str:
    text = canonical(value)
    return strip_terminal(text).strip()


def _names(view: StepView) -> list[str]:
    if view.actions <= 1:
        return [view.tool]
    names = view.tool.split(" ")
    return names if len(names) == view.actions else [view.tool] * view.actions


def _each(value: Any, view: StepView) -> list[Any]:
    return value if isinstance(value, list) and view.actions > 1 else [value]


def _answers(view: StepView) -> list[Any]:
    """What the agent sees counts wherever it stands: as the result of its action or as an observation."""
    seen: list[Any] = [view.observation] if view.observation else []
    if isinstance(view.result, list):
        return [*seen, view.result, *view.result]
    return seen if view.result is None else [*seen, view.result]
