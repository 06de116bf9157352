"""State merging: words of event symbols, with what became of their runs, to a small deterministic automaton.

Red-blue merging as in RPNI (Oncina and García 1992), by AALpy, with one thing changed. RPNI merges two states unless a
word would then be accepted and rejected at once: it must fit the outcomes exactly, so that on noise it never stops
telling states apart. Here two states are kept apart only where their runs *fail at different rates* (as ALERGIA does
for frequencies: Carrasco and Oncina 1994): a two-proportion z-test at SIGNIFICANCE, for failing in the end and for
failing within h turns, and only between states that MINIMUM_SUPPORT runs have passed. The second rate gives merging a
reason to keep the end of a run apart from its beginning, which the outcome alone has not. What too few runs have passed
joins the state that it looks most like, one that its symbol leads to before others. n counts runs, not visits: a run
that stays in a loop is one run. This is the door of aalpy; arguments that it names and nobody here reads are marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aalpy.learning_algs.general_passive.DataHandler import DataHandler
from aalpy.learning_algs.general_passive.GeneralizedStateMerging import GeneralizedStateMerging, Instrumentation
from aalpy.learning_algs.general_passive.GsmNode import GsmNode
from aalpy.learning_algs.general_passive.ScoreFunctionsGSM import ScoreCalculation

MINIMUM_SUPPORT = 20
MAX_STATES = 40
CRITICAL = 5.024
"""Of chi-squared with one degree of freedom at 0.025: two rates are tested, at 0.05 together."""
SAME_SYMBOL = 2.0
"""Log-likelihood that a state reached by the same symbol is ahead of others."""
_TURN = "turn"


@dataclass(frozen=True, slots=True)
class Word:
    """One finished run as the automaton sees it: a symbol a turn (one more for what comes before the first action)."""

    symbols: tuple[int, ...]
    near: tuple[bool, ...]
    """Whether the run fails within h turns of that one."""
    failed: bool


@dataclass(frozen=True, slots=True)
class Transition:
    """From a state, by a symbol."""

    state: int
    symbol: int
    target: int


@dataclass(slots=True)
class _Passed:
    """Who has passed a node. Sets of runs are bits of whole numbers: their union is one operation."""

    runs: int = 0
    failed: int = 0
    visits: int = 0
    near: int = 0

    @property
    def n(self) -> int:
        return self.runs.bit_count()

    @property
    def failure_rate(self) -> float:
        return self.failed.bit_count() / max(self.n, 1)

    @property
    def near_rate(self) -> float:
        return self.near / max(self.visits, 1)


class _Passing(DataHandler):  # type: ignore[misc]
    """Keeps what passed a node. A turn's output is (near, run, failed); to the automaton all outputs are the same."""

    def abstract(self, in_val: Any, out_val: Any) -> tuple[Any, Any]:  # noqa: ARG002
        return in_val, _TURN

    def init_data(self) -> _Passed:
        return _Passed()

    def aggregate_data(self, src_node: Any, in_value: Any, out_value: Any, dst_node: Any) -> None:  # noqa: ARG002
        near, run, failed = out_value
        passed: _Passed = dst_node.data
        passed.runs |= 1 << run
        passed.failed |= int(failed) << run
        passed.visits += 1
        passed.near += int(near)

    def merge(self, x: _Passed, y: _Passed) -> _Passed:
        return _Passed(x.runs | y.runs, x.failed | y.failed, x.visits + y.visits, x.near + y.near)

    def copy(self, x: _Passed) -> _Passed:
        return _Passed(x.runs, x.failed, x.visits, x.near)


class _Likeness(ScoreCalculation):  # type: ignore[misc]
    """Refuses merges of states whose runs fare differently; of the others prefers the one that costs least."""

    def __init__(self, minimum_support: int, promoted: _Promoted, max_states: int) -> None:
        self._minimum = minimum_support
        self._promoted = promoted
        self._max_states = max_states
        self._likeness = 0.0

    def early_score(self, red: GsmNode, blue: GsmNode) -> float | None:
        self._likeness = _likeness(red, blue)
        if blue.data.n < self._minimum or self._promoted.count >= self._max_states:
            return self._likeness
        return None

    def local_compatibility(self, a: GsmNode, b: GsmNode) -> bool | None:
        if b.data.n < self._minimum:
            return None
        return a.data.n < self._minimum or not differ(a.data, b.data)

    def score_function(self, part: Any) -> float:  # noqa: ARG002
        return self._likeness


class _Promoted(Instrumentation):  # type: ignore[misc]
    """Counts states."""

    def __init__(self) -> None:
        self.count = 0

    def log_promote(self, node: GsmNode) -> None:  # noqa: ARG002
        self.count += 1


def merge_states(
    words: Sequence[Word], minimum_support: int = MINIMUM_SUPPORT, max_states: int = MAX_STATES
) -> list[Transition]:
    """Return the transitions of the automaton of some words, its start being state 0. Deterministic: the order of the
    words does not matter.

    Raises ValueError without words.
    """
    if not words:
        raise ValueError("no words to learn from")
    ordered = sorted(words, key=lambda word: (word.symbols, word.near, word.failed))
    traces = [list(_to_trace(word, number)) for number, word in enumerate(ordered)]
    promoted = _Promoted()
    algorithm = GeneralizedStateMerging(
        output_behavior="moore",
        transition_behavior="deterministic",
        score_calc=_Likeness(minimum_support, promoted, max_states),
        data_handler=_Passing(),
        node_order=_by_support,
        consider_only_min_blue=True,
    )
    root = algorithm.run(traces, convert=False, instrumentation=promoted, data_format="io_traces")
    return list(_to_transitions(root))


def differ(left: _Passed, right: _Passed) -> bool:
    """Return whether two states' runs fare differently, by either rate."""
    return any(
        _chi_squared(one, left.n, other, right.n) > CRITICAL
        for one, other in ((left.failure_rate, right.failure_rate), (left.near_rate, right.near_rate))
    )


def _chi_squared(rate: float, n: int, other: float, m: int) -> float:
    pooled = (rate * n + other * m) / (n + m)
    spread = pooled * (1 - pooled) * (1 / n + 1 / m)
    return (rate - other) ** 2 / spread if spread > 0 else 0.0


def _likeness(red: GsmNode, blue: GsmNode) -> float:
    """Return how little is lost by giving two states one failure rate and one risk rate: log-likelihood, at most 0,
    and SAME_SYMBOL where the same symbol leads to both.
    """
    bonus = SAME_SYMBOL if red.get_prefix_input() == blue.get_prefix_input() else 0.0
    a, b = red.data, blue.data
    pairs = (
        (a.failed.bit_count(), a.n, b.failed.bit_count(), b.n),
        (a.near_rate * a.n, a.n, b.near_rate * b.n, b.n),
    )
    return bonus - sum(
        _log_likelihood(k, n) + _log_likelihood(j, m) - _log_likelihood(k + j, n + m) for k, n, j, m in pairs
    )


def _log_likelihood(k: float, n: float) -> float:
    return sum(count * math.log(count / n) for count in (k, n - k) if count > 0)


def _to_trace(word: Word, number: int) -> Iterator[Any]:
    yield (False, number, word.failed)
    for symbol, near in zip(word.symbols, word.near, strict=True):
        yield symbol, (near, number, word.failed)


def _by_support(node: GsmNode) -> tuple[int, list[int]]:
    # The best known first, so that the little known meets states that are settled.
    return -node.data.n, [symbol for symbol, _ in node.get_prefix() if isinstance(symbol, int)]


def _to_transitions(root: GsmNode) -> Iterator[Transition]:
    numbers, waiting = {root: 0}, [root]
    while waiting:
        node = waiting.pop(0)
        for symbol in sorted(node.transitions):
            target = node.transitions[symbol].get(_TURN)
            if target is None:
                continue
            if target not in numbers:
                numbers[target] = len(numbers)
                waiting.append(target)
            yield Transition(numbers[node], symbol, numbers[target])
