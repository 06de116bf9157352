"""Runs of random turns, in a store."""

from __future__ import annotations

import numpy as np

from induction.learning.labelled import LabelledRun
from induction.learning.paper.turns import RunTurns, TurnStore

ROWS = 30


def random_turns(opens: list[int], seed: int) -> RunTurns:
    """Return the points of a run of random rows: a raw step each, making `opens` actions (the first makes some)."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, len(opens))
    acts = np.array(opens, np.int32)
    groups = np.cumsum(acts > 0, dtype=np.int32) - 1
    ends = np.append(groups[1:] != groups[:-1], True)
    return RunTurns(
        offsets=np.concatenate([[0], counts.cumsum()]).astype(np.int32),
        turns=np.cumsum(acts, dtype=np.int32),
        actions=np.where(ends, acts[acts > 0][groups], 0).astype(np.int32),
        groups=groups,
        rows=rng.integers(0, ROWS, counts.sum()).astype(np.uint16),
        weights=rng.random(counts.sum()).astype(np.float32),
    )


def labelled_run(number: int, *, success: bool = False) -> LabelledRun:
    """Return a run without events, to be stored under."""
    return LabelledRun(f"run-{number}", f"task-{number}", success, 0, [])


def store_of(parts: list[RunTurns], successes: list[bool] | None = None) -> TurnStore:
    """Return a store of some runs."""
    store = TurnStore()
    for number, part in enumerate(parts):
        store.add(labelled_run(number, success=bool(successes and successes[number])), part)
    store.seal()
    return store
