"""Finished runs as turns with event symbols: what an automaton is learned from, and what its states are shown by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from induction.automaton.merging import Word
from induction.learning.labelled import LabelledRun
from monitors.adapter.bounded import bound_text
from monitors.monitor import Monitor, Verdict
from monitors.stepview import TEXT_FIELDS, StepView, to_text

SHOWN_CHARS = 240
READ_CHARS = 4_000
"""Of a field of a turn, in which n-grams are looked for."""
JOINT = "⏎"
"""Between texts of one field of several raw steps."""
_WORD = re.compile(r"[A-Za-z0-9_\u0080-\U0010ffff]+")
"""The words that the featuriser's n-grams are made of."""


@dataclass(slots=True)
class WatchedTurn:
    """One turn of a finished run: the raw step that opened it and all that answered. Before the first action there may
    be one without an action, number 0.
    """

    number: int
    symbol: int = 0
    """After its last raw step."""
    actions: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    """Field → its text, of all raw steps of the turn."""

    def take(self, verdict: Verdict) -> None:
        """Add one raw step."""
        self.symbol = verdict.symbol
        for name, text in shown_fields(verdict.view).items():
            before = self.texts.get(name)
            self.texts[name] = bound_text(text if before is None else f"{before} {JOINT} {text}", READ_CHARS)


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """One finished run."""

    run: str
    task: str
    success: bool
    last_turn: int
    turns: list[WatchedTurn]

    def near(self, horizon: int) -> tuple[bool, ...]:
        """Return for each turn whether the run fails within h turns of it."""
        return tuple(not self.success and self.last_turn - turn.number <= horizon for turn in self.turns)

    def to_word(self, horizon: int) -> Word:
        """Return the run as an automaton sees it."""
        return Word(tuple(turn.symbol for turn in self.turns), self.near(horizon), not self.success)


def watch_runs(monitor: Monitor, runs: Iterable[LabelledRun], batch_size: int = 64) -> Iterator[WatchedRun]:
    """Yield finished runs as turns, scored in batches. Runs without a raw step are left out."""
    iterator = (run for run in runs if run.events)
    while group := list(islice(iterator, batch_size)):
        states = [monitor.initial_state() for _ in group]
        turns: list[list[WatchedTurn]] = [[] for _ in group]
        for index in range(max(len(run.events) for run in group)):
            live = [place for place, run in enumerate(group) if index < len(run.events)]
            results = monitor.advance([states[place] for place in live], [group[place].events[index] for place in live])
            for place, (state, verdict) in zip(live, results, strict=True):
                states[place] = state
                if verdict.view.actions > 0 or not turns[place]:
                    turns[place].append(WatchedTurn(verdict.turn, actions=verdict.view.actions))
                turns[place][-1].take(verdict)
        for run, found in zip(group, turns, strict=True):
            yield WatchedRun(run.run, run.task, run.success, found[-1].number, found)


def shown_fields(view: StepView) -> dict[str, str]:
    """Return the fields of a StepView that say anything, as texts."""
    texts = {name: to_text(getattr(view, name)) for name in TEXT_FIELDS}
    return {name: text for name, text in texts.items() if text.strip()}


def excerpt(texts: dict[str, str]) -> dict[str, str]:
    """Return fields cut short, for people."""
    return {name: bound_text(" ".join(text.split()), SHOWN_CHARS) for name, text in texts.items()}


def list_ngrams(text: str, most: int = 400) -> Sequence[str]:
    """Return the distinct word 1- and 2-grams of a text, in lower case, from its first words on."""
    words = [word.lower() for word in _WORD.findall(text[:READ_CHARS]) if word != JOINT][:most]
    pairs = [f"{one} {other}" for one, other in pairwise(words)]
    return list(dict.fromkeys([*words, *pairs]))
