"""Patterns that are looked for together."""

from __future__ import annotations

import pytest

from service.core.patterns import Pattern, PatternRefused, PatternSet

SOURCES = (r"\bTICKET-\d{6,}", "[a-z]+@[a-z]+", r"é+$")


@pytest.mark.parametrize("text", ["TICKET-001234 of a@b", "a@b", "TICKET-1", "caféé", "", "\x00\n"])
def test_a_set_says_which_of_its_patterns_are_in_a_text(text: str) -> None:
    raw = text.encode()

    found = sorted(PatternSet(SOURCES).which(raw))

    assert found == [at for at, source in enumerate(SOURCES) if Pattern(source).is_in(raw)]


def test_a_pattern_that_cannot_be_compiled_refuses_the_set() -> None:
    with pytest.raises(PatternRefused):
        PatternSet(["a", "("])


def test_a_set_with_too_little_memory_is_refused_rather_than_blind() -> None:
    with pytest.raises(PatternRefused):
        PatternSet([rf"(?:[a-z]\d){{{count}}}" for count in range(50, 60)], memory_bytes=10_000)
