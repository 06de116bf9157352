"""State merging tells apart what fares differently, and no more than the runs support."""

from __future__ import annotations

import random

import pytest
from aalpy.learning_algs import run_RPNI

from induction.automaton.merging import Transition, Word, merge_states


def words_of(n: int, seed: int, *, telling: bool) -> list[Word]:
    """Words over eight symbols; where `telling`, a failing run meets symbol 9 at some turns."""
    rng = random.Random(seed)
    found = []
    for _ in range(n):
        failed, length = rng.random() < 0.5, rng.randint(3, 12)
        symbols = [9 if telling and failed and rng.random() < 0.4 else rng.randrange(8) for _ in range(length)]
        near = tuple(failed and length - 1 - place <= 3 for place in range(length))
        found.append(Word(tuple(symbols), near, failed))
    return found


def count_states(transitions: list[Transition]) -> int:
    return len({0} | {one.target for one in transitions})


def states_by_exact_fit(words: list[Word]) -> int:
    model = run_RPNI(
        list({word.symbols: (word.symbols, word.failed) for word in words}.values()),
        automaton_type="dfa",
        algorithm="gsm",
        print_info=False,
    )
    return len(model.states)


@pytest.mark.filterwarnings("ignore:Automaton is not input-complete", "ignore:Automaton has unknown outputs")
def test_noise_makes_few_states_where_an_exact_fit_makes_many() -> None:
    words = [Word(word.symbols, (False,) * len(word.symbols), word.failed) for word in words_of(300, 1, telling=False)]

    assert count_states(merge_states(words)) <= 3
    assert states_by_exact_fit(words) >= 20


def test_a_symbol_that_only_failing_runs_meet_leads_to_a_state_of_its_own() -> None:
    transitions = merge_states(words_of(300, 2, telling=True))

    by_symbol = {symbol: {one.target for one in transitions if one.symbol == symbol} for symbol in (0, 9)}
    assert 0 not in by_symbol[9]
    assert by_symbol[9] != by_symbol[0]


def test_what_too_few_runs_have_passed_is_not_told_apart() -> None:
    # Symbol 9 tells everything, but only five runs ever meet it.
    rng = random.Random(3)
    words = [Word((rng.randrange(2),) * 4, (False,) * 4, failed=place % 2 == 0) for place in range(100)]
    words += [Word((9, 0, 0, 0), (True,) * 4, failed=True)] * 5

    assert count_states(merge_states(words, minimum_support=10)) == 1
    assert count_states(merge_states([*words, *words[-5:] * 4], minimum_support=10)) == 2


def test_the_end_of_a_run_is_kept_apart_although_the_outcome_is_the_same() -> None:
    # All of these fail: only the second rate can tell turn 1 from turn 6.
    words = [Word((0, 0, 0, 1, 1, 1), (False, False, True, True, True, True), failed=True)] * 60

    assert count_states(merge_states(words)) > 1


def test_states_are_never_more_than_asked_for() -> None:
    words = words_of(400, 4, telling=True)

    assert count_states(merge_states(words, minimum_support=2, max_states=3)) <= 3


def test_every_training_word_has_its_transitions() -> None:
    words = words_of(200, 5, telling=True)
    edges = {(one.state, one.symbol): one.target for one in merge_states(words)}

    for word in words:
        state = 0
        for symbol in word.symbols:
            state = edges[state, symbol]


def test_the_order_of_the_words_changes_nothing() -> None:
    words = words_of(200, 6, telling=True)
    shuffled = random.Random(7).sample(words, len(words))

    assert merge_states(words) == merge_states(shuffled)


def test_no_words_are_an_error() -> None:
    with pytest.raises(ValueError, match="no words"):
        merge_states([])
