"""What an alert rests on: the step that opened the episode, what in it moved the score, and how runs like it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitors.automaton_record import Automaton, Support
from monitors.calibration import PlattMap
from monitors.occlusion import FieldEffect, NgramEffect, Parts, attribute_step, blank_score
from monitors.run_state import RunState
from monitors.stepview import JsonValue


@dataclass(frozen=True, slots=True)
class StateEvidence:
    """The state of the bundle's automaton that a run is in, and what an audit saw of it."""

    number: int
    training: Support
    held_out: Support
    """The calibration runs, which the automaton never learned from."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one raw step did to a run. Effects are in the raw failure logit, positive = more like failing; they need not
    add up to the jump (`occlusion.py`).
    """

    symbol: int
    """Event symbol of the open turn after the raw step."""
    score_before: float
    failure_probability_before: float
    """Calibrated, 0 … 1."""
    fields: tuple[FieldEffect, ...]
    """At most one for each text field, the greatest effect first."""
    ngrams: tuple[NgramEffect, ...]
    """At most `occlusion.SHOWN_NGRAMS`, the greatest effect first. Their texts are the agent's: untrusted, and of any
    length.
    """
    symbol_support: Support | None = None
    """None where the bundle was never audited."""
    state: StateEvidence | None = None
    """None where the bundle was never audited, or the run's earlier symbols are not known."""


def gather(
    monitor: Parts,
    failure: PlattMap,
    automaton: Automaton | None,
    state: RunState,
    raw_step: JsonValue,
    score_before: float | None,
    turn_symbols: Sequence[int] | None,
) -> Evidence:
    """Return the evidence that a raw step gives, from the run's state before it. See `Monitor.explain`."""
    before = blank_score(monitor) if score_before is None else score_before
    effect = attribute_step(monitor, state, raw_step, before)
    place = None
    if automaton is not None and turn_symbols is not None:
        number = automaton.follow(turn_symbols)
        place = StateEvidence(number, automaton.states[number].training, automaton.states[number].held_out)
    support = None
    if automaton is not None and effect.symbol < len(automaton.symbols):
        support = automaton.symbols[effect.symbol].support
    # As float32, in which the graph gave it: the very probability that was told after the step before.
    probability = failure.to_probability(np.array([before], np.float32))
    return Evidence(effect.symbol, before, float(probability[0]), effect.fields, effect.ngrams, support, place)
