"""Batches of runs as the paper's networks take them: sparse turns, places in padded runs, soft labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from induction.learning.paper.turns import RunTurns, StoredRun, TurnStore

BUCKET = 8
"""Batches that are formed together: their runs are sorted by length, so that little is padded."""


@dataclass(frozen=True, slots=True)
class TurnBatch:
    """B runs of N points in all, padded to S points and G groups a run."""

    rows: Tensor
    """int64 [n] vocabulary rows of all points."""
    weights: Tensor
    """float32 [n]"""
    offsets: Tensor
    """int64 [N + 1]"""
    places: Tensor
    """int64 [B, S] the point at each place; padding points at N, which is no point."""
    valid: Tensor
    """bool [B, S]"""
    group_ends: Tensor
    """int64 [B, G] place of each group's last point."""
    groups: Tensor
    """int64 [B, S] each point's group."""
    has_open: bool
    """False if every point is a complete group: then S = G."""
    label: Tensor
    """float32 [B, S] share of the turns that a point stands for with y_t = 1: fails within h turns."""
    weight: Tensor
    """float32 [B, S] loss weight; those of a run sum to 1."""
    turns: Tensor
    """int64 [B, S] how many turns a point stands for, in figures: 0 in the middle of one."""


def iter_turn_batches(
    store: TurnStore, runs: Sequence[StoredRun], batch_size: int, horizon: int, rng: np.random.Generator | None
) -> Iterator[TurnBatch]:
    """Yield all runs once; where a generator is given, shuffled: runs over buckets, batches within each."""
    order = np.arange(len(runs)) if rng is None else rng.permutation(len(runs))
    bucket = batch_size * BUCKET
    for start in range(0, len(runs), bucket):
        near = order[start : start + bucket]
        near = near[np.argsort([runs[index].n_points for index in near], kind="stable")]
        batches = [near[first : first + batch_size] for first in range(0, near.size, batch_size)]
        for place in range(len(batches)) if rng is None else rng.permutation(len(batches)):
            chosen = [runs[index] for index in batches[place]]
            yield to_turn_batch(chosen, [store.read(run) for run in chosen], horizon)


def to_turn_batch(runs: Sequence[StoredRun], turns: Sequence[RunTurns], horizon: int) -> TurnBatch:
    """Return the padded batch of some runs."""
    lengths = np.array([run.n_points for run in runs])
    size, width, n_points = len(runs), int(lengths.max()), int(lengths.sum())
    valid = np.arange(width) < lengths[:, None]
    places = np.full((size, width), n_points, np.int64)
    places[valid] = np.arange(n_points)
    actions, groups = np.zeros((size, width), np.int64), np.zeros((size, width), np.int64)
    actions[valid] = np.concatenate([run.actions for run in turns])
    groups[valid] = np.concatenate([run.groups for run in turns])
    n_groups = groups.max(1) + 1
    is_end = valid & (actions > 0)
    group_ends = np.zeros((size, int(n_groups.max())), np.int64)
    group_ends[np.arange(group_ends.shape[1]) < n_groups[:, None]] = np.nonzero(is_end)[1]
    label, weight = np.zeros((size, width), np.float32), np.zeros((size, width), np.float32)
    label[valid] = np.concatenate([_labels(run, part, horizon) for run, part in zip(runs, turns, strict=True)])
    has_open = not bool(is_end[valid].all())
    weight[valid] = 1.0 if has_open else actions[valid]
    weight /= weight.sum(1, keepdims=True)
    ends = np.cumsum([0, *(part.rows.size for part in turns)])
    shifted = [part.offsets[:-1] + end for part, end in zip(turns, ends, strict=False)]
    return TurnBatch(
        rows=torch.from_numpy(np.concatenate([part.rows for part in turns]).astype(np.int64)),
        weights=torch.from_numpy(np.concatenate([part.weights for part in turns])),
        offsets=torch.from_numpy(np.append(np.concatenate(shifted), ends[-1]).astype(np.int64)),
        places=torch.from_numpy(places),
        valid=torch.from_numpy(valid),
        group_ends=torch.from_numpy(group_ends),
        groups=torch.from_numpy(groups),
        has_open=has_open,
        label=torch.from_numpy(label),
        weight=torch.from_numpy(weight),
        turns=torch.from_numpy(actions),
    )


def _labels(run: StoredRun, turns: RunTurns, horizon: int) -> NDArray[np.float32]:
    if run.success:
        return np.zeros(run.n_points, np.float32)
    # A group of n actions made at once is the turns t - n + 1 … t, and y is 1 from turn T - h on.
    near = turns.turns - (run.last_turn - horizon) + 1
    made = np.maximum(turns.actions, 1)
    label: NDArray[np.float32] = (np.clip(near, 0, made) / made).astype(np.float32)
    return label
