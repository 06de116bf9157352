"""What symbols and states stand for: terms, fields and tools of a symbol's turns; examples of a state's."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from induction.automaton.watching import WatchedRun, WatchedTurn, excerpt, list_ngrams
from monitors.automaton_record import ExampleTurn, Support, SymbolRecord, Term

TERMS = 12
MAX_KINDS = 400_000
"""Distinct n-grams counted; what is first seen after that many is not."""
MIN_TASKS = 3
"""A term is shown only if that many tasks use it: names and ids of one customer are not."""
TERM_FIELDS = ("observation", "action", "args", "result")


@dataclass(slots=True)
class Tally:
    """Counts what turns become of, run by run."""

    runs: set[str] = field(default_factory=set)
    turns: int = 0
    failed: int = 0
    near: int = 0

    def take(self, run: WatchedRun, near: bool) -> None:
        """Count one turn."""
        self.runs.add(run.run)
        self.turns += 1
        self.failed += int(not run.success)
        self.near += int(near)

    def to_support(self) -> Support:
        """Return the counts as rates."""
        if not self.turns:
            return Support()
        return Support(
            runs=len(self.runs),
            turns=self.turns,
            failure_rate=self.failed / self.turns,
            risk_rate=self.near / self.turns,
        )


def describe_symbols(runs: Sequence[WatchedRun], n_symbols: int, horizon: int) -> list[SymbolRecord]:
    """Return what each symbol goes with, over all turns of some runs."""
    tallies = [Tally() for _ in range(n_symbols)]
    filled: list[Counter[str]] = [Counter() for _ in range(n_symbols)]
    tools: list[Counter[str]] = [Counter() for _ in range(n_symbols)]
    terms = _Terms(n_symbols)
    for run in runs:
        for turn, near in zip(run.turns, run.near(horizon), strict=True):
            tallies[turn.symbol].take(run, near)
            filled[turn.symbol].update(list(turn.texts))
            if "tool" in turn.texts:
                tools[turn.symbol][excerpt({"tool": turn.texts["tool"]})["tool"]] += 1
            terms.take(turn, run.task)
    examples = choose_examples(runs, ([turn.symbol for turn in run.turns] for run in runs), n_symbols)
    return [
        SymbolRecord(
            support=tally.to_support(),
            fields={name: count / tally.turns for name, count in sorted(filled[symbol].items())},
            tools=dict(tools[symbol].most_common(6)),
            terms=terms.top(symbol),
            examples=examples[symbol],
        )
        for symbol, tally in enumerate(tallies)
    ]


class _Terms:
    """Counts, for each n-gram of a field, in how many turns of each symbol it stands, and in which tasks (up to
    MIN_TASKS of them).
    """

    def __init__(self, n_symbols: int) -> None:
        self._n_symbols = n_symbols
        self._turns = [0] * n_symbols
        self._counts: dict[tuple[str, str], list[int]] = {}
        self._tasks: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def take(self, turn: WatchedTurn, task: str) -> None:
        self._turns[turn.symbol] += 1
        for name in TERM_FIELDS:
            for text in list_ngrams(turn.texts.get(name, "")):
                key = (name, text)
                counts = self._counts.get(key)
                if counts is None:
                    if len(self._counts) >= MAX_KINDS:
                        continue
                    counts = self._counts[key] = [0] * self._n_symbols
                counts[turn.symbol] += 1
                if len(self._tasks[key]) < MIN_TASKS:
                    self._tasks[key].add(task)

    def top(self, symbol: int) -> list[Term]:
        """Return the terms that tell most of a symbol: log lift over its standard error, about; no two share words."""
        here, everywhere = self._turns[symbol], sum(self._turns)
        if not here or here == everywhere:
            return []
        ranked = []
        for key, counts in self._counts.items():
            if counts[symbol] < 2 or len(self._tasks[key]) < MIN_TASKS:
                continue
            lift = (counts[symbol] / here) / (sum(counts) / everywhere)
            if lift > 1.2:
                ranked.append((math.sqrt(counts[symbol]) * math.log(lift), lift, key, counts[symbol]))
        ranked.sort(key=lambda one: (-one[0], one[2]))
        chosen: list[Term] = []
        for _, lift, (name, text), count in ranked:
            words = set(text.split())
            if not any(term.field == name and words & set(term.text.split()) for term in chosen):
                chosen.append(Term(text=text, field=name, lift=round(lift, 3), turns=count))
            if len(chosen) == TERMS:
                break
        return chosen


def choose_examples(
    runs: Iterable[WatchedRun], paths: Iterable[Sequence[int]], n_places: int
) -> list[list[ExampleTurn]]:
    """Return for each place (state, or symbol) up to three turns that end in it, of different runs, both outcomes among
    them where both occur. `paths`: the place of every turn of every run.
    """
    found: list[dict[bool, list[ExampleTurn]]] = [{True: [], False: []} for _ in range(n_places)]
    for run, path in zip(runs, paths, strict=True):
        for number, (turn, place) in enumerate(zip(run.turns, path, strict=True)):
            kept = found[place][run.success]
            seen_here = place in path[:number]
            if len(kept) < 2 and not seen_here and turn.texts:
                kept.append(ExampleTurn(run=run.run, turn=turn.number, success=run.success, fields=excerpt(turn.texts)))
    return [
        (kept[False] + kept[True])[:3] if len(kept[True]) < 2 else kept[False][:2] + kept[True][:1] for kept in found
    ]
