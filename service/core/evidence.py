"""An alert's evidence: asked of the monitor, and made fit to be stored and sent.

It is a pure function of the run's accepted steps and the bundle, so a crash before the commit changes nothing in it.
Words in it are the agent's: cut to a length, and without characters that could act on a terminal or turn a line around.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from service.core.scoring import OpenedAlert, ScoredRun
from service.ports import LiveMonitor
from service.records import SCORE_BYTES, SCORE_LAYOUT, JsonObject

if TYPE_CHECKING:
    from monitors.evidence import Evidence

log = logging.getLogger(__name__)

NGRAM_CHARS = 80
# Longer runs go without a state of the automaton: to follow it takes every symbol from the first step on.
FOLLOWED_STEPS = 20_000


def explain(monitor: LiveMonitor, run: ScoredRun, opened: OpenedAlert, committed: bytes | None) -> JsonObject | None:
    """The evidence of an episode that a batch opened, or None where the monitor fails at it: the alert matters more.

    `committed` are the run's score records before the batch, None if they were not read.
    """
    records = None
    if committed is not None:
        own = run.scores[: opened.position - run.first_position + 1]
        records = committed + b"".join(score.to_bytes() for score in own)
    try:
        symbols = None if records is None else turn_symbols(records, opened.position + 1)
        return to_json(monitor.explain(opened.state, opened.raw_step, opened.score_before, symbols))
    except Exception:
        log.exception("an alert goes without evidence")
        return None


def turn_symbols(records: bytes, steps: int) -> list[int] | None:
    """The event symbol of each turn (its last scored step's) of a run's first steps, from their score records; None
    where records are missing."""
    symbols: dict[int, int] = {}
    if len(records) != steps * SCORE_BYTES:
        return None
    for _, _, _, _, turn, symbol, flags, _ in SCORE_LAYOUT.iter_unpack(records):
        if not flags & 1:
            return None
        if not flags & 16:  # what was set aside said nothing
            symbols[turn] = symbol
    return list(symbols.values())


def to_json(evidence: Evidence) -> JsonObject:
    """The evidence as it is stored. Effects are differences of the raw failure logit."""
    state = evidence.state
    return {
        "score_before": evidence.score_before,
        "failure_probability_before": evidence.failure_probability_before,
        "fields": [{"field": one.field, "effect": round(one.effect, 4)} for one in evidence.fields],
        "ngrams": [
            {"text": clean(one.text), "field": one.field, "effect": round(one.effect, 4)} for one in evidence.ngrams
        ],
        "symbol": evidence.symbol,
        "symbol_support": None if evidence.symbol_support is None else evidence.symbol_support.model_dump(),
        "state": None
        if state is None
        else {
            "number": state.number,
            "training": state.training.model_dump(),
            "held_out": state.held_out.model_dump(),
        },
    }


def clean(text: str) -> str:
    """Untrusted text as one short line of printable characters."""
    cut = text if len(text) <= NGRAM_CHARS else text[: NGRAM_CHARS - 1] + "…"
    return "".join(char if char.isprintable() else "\ufffd" for char in cut)
