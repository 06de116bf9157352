"""An audit's automaton as the page of its monitor tells it: rows of states and of event symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitors.automaton_record import Automaton, ExampleTurn, StateRecord, Support, Term

# What an audit writes has fewer; a bundle may be anybody's.
MOST_STATES, MOST_SYMBOLS = 60, 256
LEADS_SHOWN, EXAMPLES_SHOWN, TERMS_SHOWN, TOOLS_SHOWN = 4, 3, 8, 4


@dataclass(frozen=True, slots=True)
class StateRow:
    """One state."""

    number: int
    starts: bool
    training: Support
    held_out: Support
    leads: list[tuple[int, int]]
    """(symbol, state), those taken most often first."""
    more_leads: int
    """Transitions beside those."""
    examples: list[ExampleTurn]


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """One event symbol that some turn has."""

    number: int
    support: Support
    """Over training and calibration runs together."""
    tools: list[tuple[str, int]]
    terms: list[Term]
    examples: list[ExampleTurn]
    reference: float | None
    """Its mean share of a calibration run's steps, 0 … 1; None where the bundle does not say."""
    now: float | None
    """The same of live runs, lately."""


@dataclass(frozen=True, slots=True)
class AutomatonTables:
    """What is told of an automaton."""

    horizon: int
    minimum_support: int
    n_states: int
    states: list[StateRow]
    """Where runs fail most first, by the held-out runs, else by the training runs."""
    symbols: list[SymbolRow]
    unused: list[int]
    """Symbols that no turn has."""


def to_tables(automaton: Automaton, shares: Mapping[str, tuple[float, float | None]]) -> AutomatonTables:
    """The automaton's rows. `shares`: symbol_N → its share of calibration runs' steps, and of live runs' lately."""
    numbered = sorted(enumerate(automaton.states), key=lambda item: (-_rate_of(item[1]), item[0]))
    symbols = list(enumerate(automaton.symbols))[:MOST_SYMBOLS]
    return AutomatonTables(
        automaton.horizon,
        automaton.minimum_support,
        len(automaton.states),
        [_to_row(number, state, starts=number == automaton.start) for number, state in numbered[:MOST_STATES]],
        [
            SymbolRow(
                number,
                symbol.support,
                list(symbol.tools.items())[:TOOLS_SHOWN],
                symbol.terms[:TERMS_SHOWN],
                symbol.examples[:EXAMPLES_SHOWN],
                *shares.get(f"symbol_{number}", (None, None)),
            )
            for number, symbol in symbols
            if symbol.support.turns
        ],
        [number for number, symbol in symbols if not symbol.support.turns],
    )


def _rate_of(state: StateRecord) -> float:
    rate = state.training.failure_rate if state.held_out.failure_rate is None else state.held_out.failure_rate
    return -1.0 if rate is None else rate


def _to_row(number: int, state: StateRecord, *, starts: bool) -> StateRow:
    often = sorted(state.transitions.items(), key=lambda item: (-state.visits.get(item[0], 0), item[0]))
    more = max(0, len(often) - LEADS_SHOWN)
    examples = state.examples[:EXAMPLES_SHOWN]
    return StateRow(number, starts, state.training, state.held_out, often[:LEADS_SHOWN], more, examples)
