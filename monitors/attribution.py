"""Which step moved a run's score, and which fields and n-grams of it did: evidence for an alert, in process.

Everything is a difference of the raw failure logit, in which alerts are decided; positive = the run looks more like
failing. A step's *jump* is the score after it less the score before it. What a field or an n-gram has to do with it is
found by *occlusion*: the same raw step is scored again from the same state with that field empty, or that n-gram left
out, and the score that is lost is its effect. Effects need not add up to the jump: words repeat one another, and part
of a jump comes of the step having come at all. All occlusions of a step are one batch, of some 30 rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.features.protocol import Featuriser, StepFeatures, to_batch
from monitors.monitor import Monitor, Verdict
from monitors.run_state import RunState
from monitors.stepview import TEXT_FIELDS, JsonValue, StepView, to_text

MAX_NGRAMS = 24
"""N-grams left out in turn: those of the greatest weight."""
SHOWN_NGRAMS = 8
MAX_CANDIDATES = 2_000
"""Texts tried to put words to the rows of those that are shown."""
_EMPTY: dict[str, JsonValue] = {"args": None, "result": None}
_TINY = 1e-4
"""Effects below this are float noise."""


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

    @property
    def jump(self) -> float:
        """How much the step moved the score."""
        return self.after - self.before


def attribute_step(
    monitor: Monitor, state: RunState, raw_step: JsonValue, before: float, position: int = 0
) -> StepEffect:
    """Return what a raw step does to the score of a run in a state. `before` is the run's score so far.

    Costs a batch of some 30 rows: for the step of an alert, not for every one.
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
    )


def explain_run(monitor: Monitor, raw_steps: Iterable[JsonValue], most: int = 5) -> list[StepEffect]:
    """Return what every raw step of a run did, in order; fields and n-grams for the `most` that raised it most.

    Twice through the run, in memory for one run.
    """
    events = list(raw_steps)
    seen = list(_walk(monitor, events))
    effects = [
        StepEffect(place, verdict.turn, before, verdict.score) for place, (_, before, verdict) in enumerate(seen)
    ]
    for effect in sorted(effects, key=lambda one: (-one.jump, one.position))[:most]:
        state, before, _ = seen[effect.position]
        effects[effect.position] = attribute_step(monitor, state, events[effect.position], before, effect.position)
    return effects


def _walk(monitor: Monitor, events: Sequence[JsonValue]) -> Iterator[tuple[RunState, float, Verdict]]:
    """Yield, for each raw step, the state and the score before it, and the verdict after it.

    The first has nothing before it: the score of a run that has said nothing stands in, so that a long prompt is not
    taken for the step that went wrong.
    """
    state = monitor.initial_state()
    before = blank_score(monitor)
    for event in events:
        ((after, verdict),) = monitor.advance([state], [event])
        yield state, before, verdict
        state, before = after, verdict.score


def score_steps(monitor: Monitor, raw_steps: Iterable[JsonValue]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each raw step of a run its jump [S], and what it says [S]: the score after it less the score that the
    same step would have given without a word in any field.
    """
    seen = list(_walk(monitor, list(raw_steps)))
    if not seen:
        return np.zeros(0), np.zeros(0)
    after = np.array([verdict.score for _, _, verdict in seen])
    jump = after - np.array([before for _, before, _ in seen])
    silent = [
        monitor.featuriser.step(StepView(actions=verdict.view.actions), state.memory) for state, _, verdict in seen
    ]
    states = np.stack([state.state for state, _, _ in seen])
    blank = np.concatenate(
        [
            monitor.scorer.step(to_batch(silent[start : start + 64]), states[start : start + 64]).failure_logit
            for start in range(0, len(silent), 64)
        ]
    )
    return jump, after - blank.astype(np.float64)


def blank_score(monitor: Monitor) -> float:
    """Return the score of a run whose one raw step says nothing."""
    state = monitor.initial_state()
    features = monitor.featuriser.step(StepView(), state.memory)
    return float(monitor.scorer.step(to_batch([features]), state.state[None]).failure_logit[0])


def name_rows(featuriser: Featuriser, view: StepView, rows: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return row → (text, field) for rows of a step, by asking the featuriser which rows words of the step make.

    Hashes cannot be turned back, but a step's own words can be hashed again; single words are tried first, so that a
    pair is what its words alone do not explain. Rows of words beyond MAX_CANDIDATES stay nameless.
    """
    wanted, found = set(rows), dict[int, tuple[str, str]]()
    memory = featuriser.initial_memory()
    for count, (text, name) in enumerate(_candidates(view)):
        if not wanted or count >= MAX_CANDIDATES:
            break
        features = featuriser.step(_with_field(StepView(), name, text), memory)
        for row in wanted.intersection(features.rows.tolist()):
            found[row] = (text, name)
            wanted.discard(row)
    return found


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
    kept = "".join(char if char.isalnum() or char == "_" or ord(char) >= 128 else " " for char in text[:20_000])
    return kept.split()


def _heaviest_rows(features: StepFeatures) -> list[int]:
    """Return distinct rows, the greatest weight first, at most MAX_NGRAMS."""
    order = np.argsort(-features.weights, kind="stable")
    return list(dict.fromkeys(features.rows[order].tolist()))[:MAX_NGRAMS]


def _leave_out(features: StepFeatures, row: int) -> StepFeatures:
    weights: NDArray[np.float32] = np.where(features.rows == row, np.float32(0), features.weights).astype(np.float32)
    return replace(features, weights=weights)
