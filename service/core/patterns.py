"""Regular expressions whose time is bounded by the length of the text: the door to RE2.

RE2 has no backtracking, so no pattern, whoever wrote it, can make one search take more than linear time. Many matches
in one text may still add up to more than that (each search may look to the end of the text), which is why whoever
masks with a project's own patterns has a deadline too: see `redaction`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import re2

Span = tuple[int, int]

# Also bounds what a pattern may compile to, and with it the time for each character.
MEMORY_BYTES = 2**20


class PatternRefused(ValueError):
    """A pattern that RE2 does not take; the text says why."""


class Pattern:
    """A compiled pattern, for texts in UTF-8: places in them count bytes. `\\d`, `\\w` and `\\b` know ASCII alone."""

    __slots__ = ("_compiled", "source")

    def __init__(self, source: str, memory_bytes: int = MEMORY_BYTES) -> None:
        """Raises PatternRefused."""
        options = _options(memory_bytes)
        try:
            self._compiled: Any = re2.compile(source, options)
        except re2.error as error:
            raise PatternRefused(_reason(error)) from None
        self.source = source

    def is_in(self, text: bytes) -> bool:
        """True if it matches anywhere in the UTF-8."""
        return self._compiled.search(text) is not None

    def spans(self, text: bytes) -> Iterator[Span]:
        """Where it matches, from left to right: its first group that took part, or all of it where it has no groups.
        Empty matches are passed over."""
        for match in self._compiled.finditer(text):
            first, last = match.span(match.lastindex or 0)
            if first < last:
                yield first, last

    def first_span(self, text: bytes, start: int) -> Span | None:
        """Where it matches first from `start` on."""
        match = self._compiled.search(text, start)
        return None if match is None else match.span()


class PatternSet:
    """Patterns that one look at a text tells apart: which of them are in it."""

    __slots__ = ("_compiled",)

    def __init__(self, sources: Sequence[str], memory_bytes: int = MEMORY_BYTES) -> None:
        """Raises PatternRefused, for all of them, where they cannot be compiled together: RE2 looks for a set by its
        automaton alone, and tries while compiling whether the memory is enough for that."""
        self._compiled: Any = re2.Set.SearchSet(_options(memory_bytes))
        try:
            for source in sources:
                self._compiled.Add(source)
            self._compiled.Compile()
        except re2.error as error:
            raise PatternRefused(_reason(error)) from None

    def which(self, text: bytes) -> Sequence[int]:
        """The places among the sources, in no order, of those that match anywhere in the UTF-8. Costs what
        `Pattern.is_in` costs for all of them joined."""
        return self._compiled.Match(text) or ()


def check_pattern(source: str) -> None:
    """Raises PatternRefused for a pattern that cannot be compiled, or that matches a text with nothing in it."""
    if Pattern(source).is_in(b""):
        raise PatternRefused("it matches an empty text, so it would match everywhere")


def _options(memory_bytes: int) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory_bytes
    return options


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return reason or "it cannot be compiled"
