"""An automaton as a file: whole, or refused by name."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from monitors.automaton_record import parse_automaton
from monitors.errors import BundleError, BundleVersionError


def raw(**changes: Any) -> bytes:
    state = {"visits": {}, "failure_logit": 0.0, "risk_logit": 0.0, "training": {}, "held_out": {}}
    return orjson.dumps(
        {
            "graph": "",
            "horizon": 3,
            "minimum_support": 20,
            "states": [{**state, "transitions": {"1": 1}}, {**state, "transitions": {"0": 0}}],
            "fallback": {"1": 1},
            "symbols": [{"support": {}}] * 3,
            "risk": {"slope": 1.0, "intercept": 0.0},
            "failure": {"slope": 1.0, "intercept": 0.0},
            "base_risk": 0.2,
            "success_maxima": [0.0],
            "success_turns": [3],
            **changes,
        }
    )


def test_every_state_knows_every_symbol_by_itself_by_its_fallback_or_by_staying() -> None:
    table = parse_automaton(raw(), "x").to_table()

    assert table.tolist() == [[0, 1, 0], [0, 1, 1]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"states": []}, "at states"),
        ({"fallback": {"1": 7}}, "leads to a state that is not there"),
        ({"fallback": {"9": 0}}, "reads a symbol that is not there"),
        ({"surprise": 1}, "at surprise"),
        ({"base_risk": 2}, "at base_risk"),
    ],
)
def test_a_file_that_is_no_automaton_is_refused_with_the_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        parse_automaton(raw(**changes), "somewhere.json")


def test_a_newer_format_asks_for_an_upgrade() -> None:
    with pytest.raises(BundleVersionError, match="upgrade"):
        parse_automaton(raw(format=3), "x")


def test_a_newer_format_with_unknown_fields_asks_for_an_upgrade_too() -> None:
    with pytest.raises(BundleVersionError, match="format 3"):
        parse_automaton(raw(format=3, surprise=1), "x")


def test_the_first_format_has_symbols_without_examples() -> None:
    assert parse_automaton(raw(format=1), "x").symbols[0].examples == []
