"""`automaton.json` of a bundle: what an audit made of the monitor's event symbols."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from monitors.bundle.folder import AUTOMATON, GRAPH
from monitors.bundle.manifest import Manifest
from monitors.calibration import PlattMap
from monitors.errors import BundleError, BundleVersionError

log = logging.getLogger(__name__)

AUTOMATON_FORMAT = 2
"""2: symbols have examples, as states have."""


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
    examples: list[ExampleTurn] = Field(default_factory=list, description="None in files of format 1.")


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

    def follow(self, symbols: Iterable[int]) -> int:
        """Return the number of the state that some turns' event symbols lead to, from the start."""
        place = self.start
        for symbol in symbols:
            place = self.states[place].transitions.get(symbol, self.fallback.get(symbol, place))
        return place


def parse_automaton(raw_automaton: bytes, source: str) -> Automaton:
    """Return the automaton that a file holds. Raises BundleError, BundleVersionError for a newer format."""
    try:
        automaton = Automaton.model_validate_json(raw_automaton)
    except ValidationError as error:
        if (number := _format_of(raw_automaton)) > AUTOMATON_FORMAT:
            raise _too_new(source, number) from None
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{source} is no automaton, at {where or 'its root'}: {first['msg']}") from None
    if automaton.format > AUTOMATON_FORMAT:
        raise _too_new(source, automaton.format)
    return automaton


def _format_of(raw_automaton: bytes) -> int:
    try:
        content = orjson.loads(raw_automaton)
    except orjson.JSONDecodeError:
        return 0
    number = content.get("format") if isinstance(content, dict) else None
    return number if isinstance(number, int) else 0


def _too_new(source: str, number: int) -> BundleVersionError:
    return BundleVersionError(
        f"{source} has automaton format {number}; this forewarn reads up to {AUTOMATON_FORMAT}: upgrade it"
    )


def read_automaton(folder: Path, manifest: Manifest) -> Automaton | None:
    """Return the automaton of a bundle's folder, or None: never audited, audited by a newer forewarn, of another graph,
    damaged. A bundle scores the same without it, so nothing is refused; what is amiss is logged.
    """
    if AUTOMATON not in manifest.files:
        return None
    try:
        automaton = parse_automaton((folder / AUTOMATON).read_bytes(), str(folder / AUTOMATON))
    except (BundleError, OSError) as error:
        log.warning("evidence goes without the automaton: %s", error)
        return None
    return automaton if automaton.graph == manifest.files.get(GRAPH) else None
