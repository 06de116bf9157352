"""Which steps of a run moved its score: every step's jump, and by occlusion what the greatest rest on, in process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from monitors.features.protocol import to_batch
from monitors.monitor import Monitor, Verdict
from monitors.occlusion import StepEffect, attribute_step, blank_score
from monitors.run_state import RunState
from monitors.stepview import JsonValue, StepView


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
