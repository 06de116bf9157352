"""Which of two proposals is taken, and why: decided by the validator's figures alone, whoever proposed.

In order, and only where the difference is clear: validity; turns in most runs; the number of fields filled, times the
share of held-out raw steps that a case knows (a case for anything knows everything and tells nothing apart, so neither
counts alone); that share; the share of raw steps in which a tool call is found. What a proposal had to give up for
telling the outcome is shown beside it and decides nothing: what is gone does no harm. Where nothing is clear the first,
which needs no network and comes out the same each time, is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from induction.adapters.proposer import Proposal
from induction.adapters.validator import Report
from monitors.adapter.spec import AdapterSpec

CONTENT_FIELDS = ("observation", "action", "tool", "args", "result", "status")
MIN_FILL = 0.005
CLEAR_READ = 0.2
CLEAR_SHARE = 0.01
CLEAR_CALLS = 0.02
NAME_VARIETY = 0.2
"""Texts in the field tool are names where they repeat: at most this many different ones a filled raw step."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposal, who made it, and what the validator says."""

    proposer: str
    proposal: Proposal
    report: Report

    @property
    def figures(self) -> dict[str, float]:
        """What candidates are compared by, shares of held-out raw steps where not counts."""
        fills = {field.field: field.fill for field in self.report.fields}
        return {
            "known": self.report.known,
            "fields": float(len(read_fields(self.proposal.spec) & {name for name in fills if fills[name] >= MIN_FILL})),
            "calls": _calls(self.report),
            "turns": self.report.turns,
            "refused": float(len(self.report.refused)),
        }


@dataclass(frozen=True, slots=True)
class Contest:
    """The candidates, the one that won first, and why it did. `asked` says how asking a model went."""

    candidates: tuple[Candidate, ...]
    why: str
    asked: str = ""

    @property
    def winner(self) -> Candidate:
        """The candidate that is taken."""
        return self.candidates[0]


def settle(candidates: Sequence[Candidate], asked: str = "") -> Contest:
    """Return the candidates, the better one first, and why. The first given wins where nothing speaks against it."""
    if len(candidates) == 1:
        return Contest(tuple(candidates), f"the {candidates[0].proposer} proposal is the only one", asked)
    first, second = candidates
    for reason in (_by_validity, _by_turns, _by_read, _by_known, _by_calls):
        verdict = reason(first, second)
        if verdict is not None:
            won, why = verdict
            other = second if won is first else first
            return Contest((won, other), f"the {won.proposer} proposal is taken: {why}", asked)
    return Contest((first, second), f"the {first.proposer} proposal is taken: no figure is clearly better", asked)


def read_fields(spec: AdapterSpec) -> set[str]:
    """Return the content fields that have a source of their own: what is read for two fields counts for one."""
    own = set()
    for case in spec.event.cases:
        used: set[str] = set()
        for name in CONTENT_FIELDS:
            sources = {selector.model_dump_json(exclude={"decode"}) for selector in getattr(case.fields, name)}
            own |= {name} if sources - used else set()
            used |= sources
    # A status may be derived from a result and needs no path.
    return own | ({"status"} if spec.status.ok_if_result or spec.status.error_if or spec.status.error_text else set())


_Verdict = tuple[Candidate, str] | None


def _by_validity(first: Candidate, second: Candidate) -> _Verdict:
    if first.report.ok == second.report.ok:
        return None
    won, lost = (first, second) if first.report.ok else (second, first)
    return won, f"the {lost.proposer} one is not valid ({lost.report.faults[0]})"


def _by_known(first: Candidate, second: Candidate) -> _Verdict:
    return _by_figure(first, second, "known", CLEAR_SHARE, "it knows {0:.1%} of the raw steps, the other {1:.1%}")


def _by_read(first: Candidate, second: Candidate) -> _Verdict:
    left, right = (one.figures["fields"] * one.figures["known"] for one in (first, second))
    if abs(left - right) < CLEAR_READ:
        return None
    won, lost = (first, second) if left > right else (second, first)
    return won, f"{_read(won)}; the other one: {_read(lost)}"


def _read(candidate: Candidate) -> str:
    figures = candidate.figures
    return f"{figures['fields']:.0f} fields filled, {figures['known']:.1%} of the raw steps known"


def _by_calls(first: Candidate, second: Candidate) -> _Verdict:
    return _by_figure(
        first, second, "calls", CLEAR_CALLS, "it finds tool calls in {0:.1%} of the raw steps, the other in {1:.1%}"
    )


def _by_turns(first: Candidate, second: Candidate) -> _Verdict:
    """More turns are not better; none in half of the runs is worse."""
    if (first.report.turns > 0) == (second.report.turns > 0):
        return None
    won = first if first.report.turns > 0 else second
    return won, "the other finds no turn in half of the runs"


def _by_figure(first: Candidate, second: Candidate, name: str, clear: float, why: str) -> _Verdict:
    left, right = first.figures[name], second.figures[name]
    if abs(left - right) < clear:
        return None
    won, pair = (first, (left, right)) if left > right else (second, (right, left))
    return won, why.format(*pair)


def _calls(report: Report) -> float:
    tool = next(field for field in report.fields if field.field == "tool")
    filled = tool.fill * report.events
    return tool.fill if filled and tool.distinct <= max(20.0, NAME_VARIETY * filled) else 0.0
