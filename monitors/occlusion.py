"""What a raw step did to a run's score, and which of its fields and n-grams did it.

Everything is a difference of the raw failure logit, in which alerts are decided; positive = the run looks more like
failing. A step's *jump* is the score after it less the score before it. What a field or an n-gram has to do with it is
found by *occlusion*: the same raw step is scored again from the same state with that field empty, or that n-gram left
out, and the score that is lost is its effect. Effects need not add up to the jump: words repeat one another, and part
of a jump comes of the step having come at all. All occlusions of a step are one batch, of some 30 rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitors.adapter import Adapter
from monitors.features.protocol import TURNS, Featuriser, StepFeatures, to_batch
from monitors.run_state import RunState
from monitors.scorers.protocol import Scorer
from monitors.stepview import TEXT_FIELDS, JsonValue, StepView, to_text

MAX_NGRAMS = 24
"""N-grams left out in turn: those of the greatest weight."""
SHOWN_NGRAMS = 8
MAX_CANDIDATES = 2_000
"""Texts tried to put words to the rows of those that are shown."""
NAMED_AT_ONCE = 250
"""Texts that are tried in one call of the featuriser."""
_EMPTY: dict[str, JsonValue] = {"args": None, "result": None}
_WORDS = re.compile(r"[0-9A-Za-z_\x80-\U0010ffff]+")
_TINY = 1e-4
"""Effects below this are float noise."""


class Parts(Protocol):
    """What of a monitor is needed to score a step again with something left out; `Monitor` has it."""

    @property
    def adapter(self) -> Adapter:
        """How raw steps are read."""

    @property
    def featuriser(self) -> Featuriser:
        """How steps become numbers."""

    @property
    def scorer(self) -> Scorer:
        """What scores them."""


@dataclass(frozen=True, slots=True)
class FieldEffect:
    """What a field of the step did."""

    field: str
    effect: float


@dataclass(frozen=True, slots=True)
class NgramEffect:
    """What one or two words of the step did, in all its fields that hold them."""

    text: str
    """As the step has it; "" where the words could not be found again."""
    field: str
    """The first field that holds them."""
    effect: float


@dataclass(frozen=True, slots=True)
class StepEffect:
    """What one raw step did to a run's score."""

    position: int
    """Number of the raw step in its run, from 0."""
    turn: int
    before: float
    after: float
    fields: tuple[FieldEffect, ...] = ()
    """Greatest effect first."""
    ngrams: tuple[NgramEffect, ...] = ()
    """Greatest effect first; those that lowered the score are last."""
    symbol: int = 0
    """Event symbol of the open turn after the step, where the step was looked into."""

    @property
    def jump(self) -> float:
        """How much the step moved the score."""
        return self.after - self.before


def attribute_step(
    monitor: Parts, state: RunState, raw_step: JsonValue, before: float, position: int = 0
) -> StepEffect:
    """Return what a raw step does to the score of a run in a state. `before` is the run's score so far.

    Costs a batch of some 30 rows and the naming of at most SHOWN_NGRAMS: for the step of an alert, not for every one.
    """
    view = monitor.adapter.read(raw_step).view
    featuriser = monitor.featuriser
    whole = featuriser.step(view, state.memory)
    fields = [name for name in TEXT_FIELDS if to_text(getattr(view, name))]
    rows = _heaviest_rows(whole)
    variants = [whole]
    variants += [featuriser.step(_with_field(view, name, _EMPTY.get(name, "")), state.memory) for name in fields]
    variants += [_leave_out(whole, row) for row in rows]
    scores = monitor.scorer.step(to_batch(variants), np.repeat(state.state[None], len(variants), axis=0))
    logits = scores.failure_logit.astype(np.float64)
    lost = logits[0] - logits[1:]
    by_field = [FieldEffect(name, float(effect)) for name, effect in zip(fields, lost, strict=False)]
    by_row = {row: float(effect) for row, effect in zip(rows, lost[len(fields) :], strict=True)}
    shown = sorted((row for row in by_row if abs(by_row[row]) > _TINY), key=lambda row: -abs(by_row[row]))[
        :SHOWN_NGRAMS
    ]
    names = name_rows(featuriser, view, shown)
    ngrams = [NgramEffect(*names.get(row, ("", "")), by_row[row]) for row in shown]
    return StepEffect(
        position,
        int(whole.memory[0]),
        before,
        float(logits[0]),
        tuple(sorted((one for one in by_field if abs(one.effect) > _TINY), key=lambda one: -one.effect)),
        tuple(sorted(ngrams, key=lambda one: -one.effect)),
        int(scores.symbol[0]),
    )


def blank_score(monitor: Parts) -> float:
    """Return the score of a run whose one raw step says nothing."""
    features = monitor.featuriser.step(StepView(), monitor.featuriser.initial_memory())
    return float(monitor.scorer.step(to_batch([features]), monitor.scorer.initial_state()[None]).failure_logit[0])


def name_rows(featuriser: Featuriser, view: StepView, rows: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return row → (text, field) for rows of a step, by asking the featuriser which rows words of the step make.

    Hashes cannot be turned back, but a step's own words can be hashed again; single words are tried first, so that a
    pair is what its words alone do not explain. Rows of words beyond MAX_CANDIDATES stay nameless, and so do those of
    the label that a featuriser may put before a field.
    """
    wanted, found = set(rows), dict[int, tuple[str, str]]()
    candidates = list(islice(_candidates(view), MAX_CANDIDATES))
    labels = {name: _rows_of(featuriser, [(".", name)])[0] for name in {name for _, name in candidates}}
    for start in range(0, len(candidates), NAMED_AT_ONCE):
        if not wanted:
            break
        some = candidates[start : start + NAMED_AT_ONCE]
        made = _rows_of(featuriser, some)
        for row in sorted(wanted):
            for place in np.flatnonzero((made == row).any(axis=1)).tolist():
                text, name = some[place]
                if row not in labels[name]:
                    found[row] = (text, name)
                    wanted.discard(row)
                    break
    return found


def _rows_of(featuriser: Featuriser, candidates: Sequence[tuple[str, str]]) -> NDArray[np.int64]:
    """Return the rows that texts make, each alone in its field: int64 [candidates, most], -1 where there are fewer."""
    fields: list[dict[str, Any]] = [{name: text} for text, name in candidates]
    views = [StepView(**one) for one in fields]
    # Inside a turn: some featurisers read nothing before the first.
    memory = featuriser.initial_memory()
    memory[TURNS] = 1
    batch, _ = featuriser.step_batch(views, [memory] * len(views))
    return np.where(batch.weights > 0, batch.rows, -1)[batch.chunks].reshape(len(views), -1)


def _candidates(view: StepView) -> Iterator[tuple[str, str]]:
    words = {name: _split(to_text(getattr(view, name))) for name in TEXT_FIELDS}
    for length in (1, 2):
        for name, found in words.items():
            for text in dict.fromkeys(zip(*(found[place:] for place in range(length)), strict=False)):
                yield " ".join(text), name


def _with_field(view: StepView, name: str, value: JsonValue) -> StepView:
    change: dict[str, Any] = {name: value}
    return replace(view, **change)


def _split(text: str) -> list[str]:
    return _WORDS.findall(text[:20_000])


def _heaviest_rows(features: StepFeatures) -> list[int]:
    """Return distinct rows, the greatest weight first, at most MAX_NGRAMS."""
    order = np.argsort(-features.weights, kind="stable")
    return list(dict.fromkeys(features.rows[order].tolist()))[:MAX_NGRAMS]


def _leave_out(features: StepFeatures, row: int) -> StepFeatures:
    weights: NDArray[np.float32] = np.where(features.rows == row, np.float32(0), features.weights).astype(np.float32)
    return replace(features, weights=weights)
