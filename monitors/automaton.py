"""The automaton of a bundle as a monitor of its own.

It reads one event symbol a turn. Like the network's, its state before the open turn is kept, so that a raw step in the
middle of a turn is scored too: state after = transition(state before the turn, symbol of the open turn so far).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitors.automaton_record import Automaton
from monitors.conformal import conformal_threshold
from monitors.decision import Alert, DecisionRule, Standing
from monitors.monitor import Monitor, Verdict
from monitors.run_state import RunState
from monitors.stepview import JsonValue


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
