"""Padded batches of whole runs, with the places of turns in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from induction.learning.corpus import FeaturedRun


@dataclass(frozen=True, slots=True)
class RunBatch:
    """B runs, padded to S raw steps and G turn groups. A group is what comes before the first action, or one opened
    turn.
    """

    rows: Tensor
    """int64 [n] vocabulary rows of all raw steps."""
    weights: Tensor
    """float32 [n]"""
    offsets: Tensor
    """int64 [n_steps + 1] where each raw step's rows start; the last is an empty bag for padding."""
    step_of_place: Tensor
    """int64 [B, S] raw step at each place; padding points at the empty bag."""
    shape: Tensor
    """float32 [B, S, N_SHAPE]"""
    turn_start: Tensor
    """int64 [B, S] place where each step's group starts."""
    turn_of_step: Tensor
    """int64 [B, S] each step's group."""
    turn_end: Tensor
    """int64 [B, G] place of each group's last raw step."""
    valid: Tensor
    """bool [B, S] true where there is a raw step."""
    risk: Tensor
    """float32 [B, S] y_t: fails within h turns."""
    failure: Tensor
    """float32 [B, S] fails in the end."""
    weight: Tensor
    """float32 [B, S] loss weight: the raw steps of a run sum to 1, so that long runs count no more than short ones."""


def to_run_batch(runs: Sequence[FeaturedRun], horizon: int) -> RunBatch:
    """Return the padded batch of some runs."""
    size, width = len(runs), max(run.n_steps for run in runs)
    n_steps = sum(run.n_steps for run in runs)
    places = np.full((size, width), n_steps, np.int64)
    shape = np.zeros((size, width, runs[0].shape.shape[1]), np.float32)
    starts, groups = np.zeros((size, width), np.int64), np.zeros((size, width), np.int64)
    valid = np.zeros((size, width), np.bool_)
    risk, failure, weight = (np.zeros((size, width), np.float32) for _ in range(3))
    ends, first, offset, offsets = [], 0, 0, []
    for index, run in enumerate(runs):
        length = run.n_steps
        places[index, :length] = np.arange(first, first + length)
        shape[index, :length] = run.shape
        group = np.cumsum(run.opens, dtype=np.int64)
        group -= group[0]
        groups[index, :length] = group
        opening = np.flatnonzero(np.concatenate([[True], np.diff(group) > 0]))
        starts[index, :length] = opening[group]
        ends.append(np.append(opening[1:] - 1, length - 1))
        valid[index, :length] = True
        risk[index, :length] = run.risk_labels(horizon)
        failure[index, :length] = not run.success
        weight[index, :length] = 1.0 / length
        offsets.append(run.offsets[:-1] + offset)
        offset += int(run.offsets[-1])
        first += length
    turn_end = np.zeros((size, max(end.size for end in ends)), np.int64)
    for index, end in enumerate(ends):
        turn_end[index, : end.size] = end
    return RunBatch(
        rows=torch.from_numpy(np.concatenate([run.rows for run in runs]).astype(np.int64)),
        weights=torch.from_numpy(np.concatenate([run.weights for run in runs])),
        offsets=torch.from_numpy(np.append(np.concatenate(offsets), offset)),
        step_of_place=torch.from_numpy(places),
        shape=torch.from_numpy(shape),
        turn_start=torch.from_numpy(starts),
        turn_of_step=torch.from_numpy(groups),
        turn_end=torch.from_numpy(turn_end),
        valid=torch.from_numpy(valid),
        risk=torch.from_numpy(risk),
        failure=torch.from_numpy(failure),
        weight=torch.from_numpy(weight),
    )


def iter_batches(
    runs: Sequence[FeaturedRun], batch_size: int, horizon: int, rng: np.random.Generator | None
) -> Iterator[RunBatch]:
    """Yield all runs once in batches, shuffled where a generator is given."""
    order = np.arange(len(runs)) if rng is None else rng.permutation(len(runs))
    for start in range(0, len(runs), batch_size):
        yield to_run_batch([runs[index] for index in order[start : start + batch_size]], horizon)
