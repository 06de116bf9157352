"""A monitor for the service's tests: deterministic, quick, and as stateful as a real one.

Every step moves the state by what it holds, so that a step scored twice, left out or out of order gives other scores
from then on.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Sequence
from zlib import crc32

import numpy as np
import orjson

from monitors.automaton_record import Support
from monitors.decision import Alert, DecisionRule, Standing
from monitors.evidence import Evidence, StateEvidence
from monitors.monitor import Verdict
from monitors.occlusion import FieldEffect, NgramEffect
from monitors.run_state import RunState
from monitors.stepview import JsonValue, StepView

THRESHOLD = 2.0


class FakeMonitor:
    """Fits `ports.LiveMonitor`. A step {"bad": n} adds n to the score; {"explode": true} raises; {"die": true} kills
    the process; {"odd": true} is of no known kind, of {"long": true} something was cut off."""

    device = "cpu"

    def __init__(self, monitor_id: str = "m-fake") -> None:
        self.monitor_id = monitor_id
        self.rule = DecisionRule(THRESHOLD, THRESHOLD / 2)
        self.batches: list[int] = []

    def initial_state(self, group: str = "") -> RunState:
        return RunState(np.zeros(2, np.int64), np.zeros(1, np.float32), Standing())

    def advance(self, states: Sequence[RunState], raw_steps: Sequence[JsonValue]) -> list[tuple[RunState, Verdict]]:
        self.batches.append(len(raw_steps))
        return [self._step(state, raw_step) for state, raw_step in zip(states, raw_steps, strict=True)]

    def _step(self, before: RunState, raw_step: JsonValue) -> tuple[RunState, Verdict]:
        step = raw_step if isinstance(raw_step, dict) else {"text": raw_step}
        if step.get("explode"):
            raise ValueError("this step explodes")
        if step.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        digest = crc32(orjson.dumps(raw_step, option=orjson.OPT_SORT_KEYS))
        turn = int(before.memory[0]) + 1
        # The order matters: what came before is rotated, so that two steps exchanged give another number.
        mixed = crc32(int(before.memory[1]).to_bytes(8, "little"), digest)
        level = float(before.state[0]) + float(step.get("bad", 0))
        score = level + (mixed % 1000) / 1e6
        risk = 1 / (1 + math.exp(-score))
        standing, opened = self.rule.next_standing(before.standing, turn, score, risk)
        alert = Alert(standing.episodes, turn, score, THRESHOLD, risk, risk, before.standing.risk) if opened else None
        state = RunState(np.array([turn, mixed], np.int64), np.array([level], np.float32), standing)
        view = StepView(action=str(step.get("text", "")), actions=1)
        symbol = mixed % 7
        known = "odd" not in step
        warning = "warning" if standing.warning else "ok"
        case = 0 if known else None
        return state, Verdict(
            turn, risk, risk, score, symbol, warning, alert, view, known, case, bool(step.get("long"))
        )

    def explain(
        self,
        state: RunState,
        raw_step: JsonValue,
        score_before: float | None = None,
        turn_symbols: Sequence[int] | None = None,
    ) -> Evidence:
        _, verdict = self._step(state, raw_step)
        before = 0.0 if score_before is None else score_before
        effect = verdict.score - before
        words = NgramEffect(verdict.view.action, "action", effect)
        place = None
        if turn_symbols is not None:
            seen = Support(runs=len(turn_symbols), turns=len(turn_symbols), failure_rate=0.5)
            place = StateEvidence(turn_symbols[-1], seen, Support())
        risk = 1 / (1 + math.exp(-before))
        return Evidence(verdict.symbol, before, risk, (FieldEffect("action", effect),), (words,), None, place)


def offline_scores(raw_steps: Sequence[JsonValue], monitor: FakeMonitor | None = None) -> list[float]:
    """The scores of a run's steps, one after the other, with no service at all."""
    monitor = monitor or FakeMonitor()
    state, scores = monitor.initial_state(), []
    for raw_step in raw_steps:
        ((state, verdict),) = monitor.advance([state], [raw_step])
        scores.append(verdict.score)
    return scores
