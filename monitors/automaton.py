"""The automaton of a bundle: what an audit made of the monitor's event symbols, and that same automaton as a monitor.

It reads one event symbol a turn. Like the network's, its state before the open turn is kept, so that a raw step in the
middle of a turn is scored too: state after = transition(state before the turn, symbol of the open turn so far).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from monitors.calibration import PlattMap
from monitors.conformal import conformal_threshold
from monitors.decision import Alert, DecisionRule, Standing
from monitors.errors import BundleError, BundleVersionError
from monitors.monitor import Monitor, Verdict
from monitors.run_state import RunState
from monitors.stepview import JsonValue

AUTOMATON_FORMAT = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Support(_Record):
    """What was seen in a state, or with a symbol."""

    runs: int = 0
    turns: int = 0
    failure_rate: float | None = Field(None, description="Share of those turns whose run fails in the end.")
    risk_rate: float | None = Field(None, description="Share of those turns whose run fails within h turns.")


class ExampleTurn(_Record):
    """One turn, its fields cut short."""

    run: str
    turn: int
    success: bool
    fields: dict[str, str]


class StateRecord(_Record):
    """One state."""

    transitions: dict[int, int] = Field(description="Event symbol → state.")
    visits: dict[int, int] = Field(description="Event symbol → training turns that took that transition.")
    failure_logit: float = Field(description="Of failing in the end, from the training runs: the alert statistic.")
    risk_logit: float = Field(description="Of failing within h turns, from the training runs.")
    training: Support
    held_out: Support = Field(description="The calibration runs: what the rates are worth on runs never learned from.")
    examples: list[ExampleTurn] = Field(default_factory=list)


class Term(_Record):
    """Words that a symbol goes with."""

    text: str
    field: str
    lift: float = Field(description="How many times likelier in a turn with the symbol than in any turn.")
    turns: int


class SymbolRecord(_Record):
    """One event symbol."""

    support: Support
    fields: dict[str, float] = Field(default_factory=dict, description="Field → share of its turns that fill it.")
    tools: dict[str, int] = Field(default_factory=dict, description="Most used tools, with how many of its turns.")
    terms: list[Term] = Field(default_factory=list)


class Automaton(_Record):
    """`automaton.json` of a bundle."""

    format: int = AUTOMATON_FORMAT
    graph: str = Field(description="SHA-256 of the graph whose symbols it reads.")
    horizon: int
    minimum_support: int = Field(description="No state was told apart on fewer training runs than this.")
    start: int = 0
    states: list[StateRecord] = Field(min_length=1)
    fallback: dict[int, int] = Field(description="Where a symbol leads from a state that never saw it; else it stays.")
    symbols: list[SymbolRecord]
    risk: PlattMap
    failure: PlattMap
    base_risk: float = Field(ge=0, le=1)
    success_maxima: list[float] = Field(description="Greatest score of each successful calibration run, ascending.")
    success_turns: list[int]

    @model_validator(mode="after")
    def _is_whole(self) -> Automaton:
        targets = [self.start, *self.fallback.values(), *(one for s in self.states for one in s.transitions.values())]
        letters = [*self.fallback, *(symbol for state in self.states for symbol in state.transitions)]
        if not all(0 <= target < len(self.states) for target in targets):
            raise ValueError("a transition leads to a state that is not there")
        if not all(0 <= letter < len(self.symbols) for letter in letters):
            raise ValueError("a transition reads a symbol that is not there")
        return self

    def to_table(self) -> NDArray[np.int64]:
        """Return next states, int64 [states, symbols]: every one is defined."""
        table = np.repeat(np.arange(len(self.states))[:, None], len(self.symbols), axis=1)
        for symbol, target in self.fallback.items():
            table[:, symbol] = target
        for number, state in enumerate(self.states):
            for symbol, target in state.transitions.items():
                table[number, symbol] = target
        return table


def parse_automaton(raw_automaton: bytes, source: str) -> Automaton:
    """Return the automaton that a file holds. Raises BundleError, BundleVersionError for a newer format."""
    try:
        automaton = Automaton.model_validate_json(raw_automaton)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{source} is no automaton, at {where or 'its root'}: {first['msg']}") from None
    if automaton.format > AUTOMATON_FORMAT:
        raise BundleVersionError(
            f"{source} has automaton format {automaton.format}; this forewarn reads {AUTOMATON_FORMAT}: upgrade it"
        )
    return automaton


@dataclass(frozen=True, slots=True)
class AutomatonRunState:
    """What is kept of a run: the network's state, for its symbols, and two states of the automaton."""

    run: RunState
    before: int
    """State before the open turn."""
    now: int
    standing: Standing


class AutomatonMonitor:
    """Scores running prefixes by the automaton alone: the network gives event symbols and nothing else."""

    def __init__(self, monitor: Monitor, automaton: Automaton) -> None:
        self.monitor = monitor
        self.automaton = automaton
        self._next = automaton.to_table()
        logits = np.array([(state.risk_logit, state.failure_logit) for state in automaton.states], np.float32)
        self._score = logits[:, 1].astype(np.float64)
        self._risk = automaton.risk.to_probability(logits[:, 0])
        self._failure = automaton.failure.to_probability(logits[:, 1])
        threshold = conformal_threshold(automaton.success_maxima, monitor.manifest.alpha)
        self.rule = DecisionRule(threshold, threshold, monitor.manifest.min_turns)

    def initial_state(self, group: str = "") -> AutomatonRunState:
        """Return the state of a run without steps. The automaton has one threshold for all, whatever the group."""
        start = self.automaton.start
        return AutomatonRunState(
            self.monitor.initial_state(group), start, start, Standing(risk=self.automaton.base_risk)
        )

    def advance(
        self, states: Sequence[AutomatonRunState], raw_steps: Sequence[JsonValue]
    ) -> list[tuple[AutomatonRunState, Verdict]]:
        """Return next states and verdicts, as `Monitor.advance` does."""
        results = self.monitor.advance([state.run for state in states], raw_steps)
        return [self._judge(before, run, seen) for before, (run, seen) in zip(states, results, strict=True)]

    def _judge(self, state: AutomatonRunState, run: RunState, seen: Verdict) -> tuple[AutomatonRunState, Verdict]:
        before = state.now if seen.view.actions > 0 else state.before
        now = int(self._next[before, seen.symbol])
        score, risk, failure = float(self._score[now]), float(self._risk[now]), float(self._failure[now])
        standing, opened = self.rule.next_standing(state.standing, seen.turn, score, risk)
        alert = None
        if opened and math.isfinite(self.rule.threshold):
            threshold = self.rule.threshold
            alert = Alert(standing.episodes, seen.turn, score, threshold, risk, failure, state.standing.risk)
        verdict = replace(
            seen,
            risk=risk,
            failure_probability=failure,
            score=score,
            state="warning" if standing.warning else "ok",
            alert=alert,
        )
        return AutomatonRunState(run, before, now, standing), verdict
