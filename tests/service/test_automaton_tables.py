"""An audit's automaton as rows, however large whoever wrote the bundle made it."""

from __future__ import annotations

from service.pages.automaton_tables import MOST_STATES, to_tables
from tests.pages.audited_bundle import make_automaton


def test_transitions_come_by_how_often_they_are_taken_and_few_are_shown() -> None:
    automaton = make_automaton("")
    crowded = automaton.states[0].model_copy(update={"transitions": dict.fromkeys(range(6), 1), "visits": {5: 9, 2: 1}})
    (row,) = to_tables(automaton.model_copy(update={"states": [crowded]}), {}).states

    assert row.leads == [(5, 1), (2, 1), (0, 1), (1, 1)]
    assert row.more_leads == 2


def test_a_symbols_share_of_live_steps_stands_beside_the_calibrations() -> None:
    tables = to_tables(make_automaton(""), {"symbol_3": (0.2, 0.35)})

    assert [(row.number, row.reference, row.now) for row in tables.symbols] == [
        (0, None, None), (1, None, None), (3, 0.2, 0.35),
    ]  # fmt: skip


def test_more_states_than_a_page_holds_are_counted() -> None:
    automaton = make_automaton("")
    tables = to_tables(automaton.model_copy(update={"states": automaton.states * 100}), {})

    assert (len(tables.states), tables.n_states) == (MOST_STATES, 300)
