"""Fitting the network: competing losses, annealed Gumbel noise, early stopping on tasks held out of the
training runs.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional

from induction.errors import TooFewRunsError
from induction.learning.batches import RunBatch, iter_batches
from induction.learning.checkpoints import NO_CHECKPOINTS, Checkpoints
from induction.learning.corpus import FeaturedRun
from induction.learning.device import Device, beside
from induction.learning.epochs import Figures, Learner, run_epochs
from induction.learning.network import Logits, MonitorNetwork, NetworkSize
from induction.learning.progress import EpochReport


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train. Losses are per run: each run weighs the same whatever its length (paper, section 4)."""

    horizon: int = 3
    seed: int = 13
    max_epochs: int = 40
    patience: int = 8
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    failure_weight: float = 1.0
    """Weight of the loss on the eventual outcome beside that on the risk within h turns."""
    audit_weight: float = 0.2
    """Weight of the two losses from the symbol alone."""
    balance_weight: float = 0.1
    """Weight of the paper's balance loss: sure symbols per step, all symbols in use over the batch."""
    validation_share: float = 0.15
    """Share of the training tasks held out to stop early."""
    device: Device = "cpu"
    """Where networks train, whatever the preset. Words, trees and linear models stay on the CPU."""


class Outcome(Protocol):
    """Anything that ended well or badly."""

    @property
    def success(self) -> bool:
        """How."""


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A fitted network and how it got there."""

    network: MonitorNetwork
    epochs: int
    validation_auprc: float
    history: list[EpochReport]


def train_network(
    runs: Sequence[FeaturedRun],
    n_rows: int,
    settings: TrainingSettings,
    report: Callable[[EpochReport], None] = lambda _: None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
) -> TrainedNetwork:
    """Return the network of the epoch with the smallest validation loss, on the CPU. Deterministic on CPU for a
    seed; on CUDA sums are made in any order, so that bytes may differ from one training to the next.

    Raises TooFewRunsError unless both outcomes occur in the runs.
    """
    check_outcomes(runs)
    with one_thread():
        return _train(runs, n_rows, settings, report, checkpoints)


def _train(
    runs: Sequence[FeaturedRun],
    n_rows: int,
    settings: TrainingSettings,
    report: Callable[[EpochReport], None],
    checkpoints: Checkpoints,
) -> TrainedNetwork:
    fit, validation = split_by_task(runs, settings.validation_share, settings.seed)
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    network = MonitorNetwork(NetworkSize(n_rows=max(n_rows, 1)))
    network.fit_shape_scale(torch.from_numpy(np.concatenate([run.shape for run in fit])))
    # The best epoch's network stays on the CPU: there it is read.
    best = copy.deepcopy(network)
    device = torch.device(settings.device)
    network.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)

    def fit_epoch(history: Sequence[EpochReport]) -> Figures:
        # Paper: the Gumbel temperature falls linearly from 1 to 0.25.
        temperature = 1.0 - 0.75 * len(history) / max(1, settings.max_epochs - 1)
        loss = _fit_epoch(network, optimiser, fit, settings, temperature, rng)
        validation_loss, validation_auprc = _validate(network, validation, settings)
        if all(validation_loss < before.validation_loss for before in history):
            best.load_state_dict(network.state_dict())
        return Figures(loss, validation_loss, validation_auprc)

    history = run_epochs(
        Learner({"network": network, "best": best}, optimiser, rng, device),
        settings.max_epochs,
        fit_epoch,
        name="epochs",
        checkpoints=checkpoints,
        report=report,
        is_enough=lambda history: len(history) - _best_epoch(history) >= settings.patience,
    )
    best.eval()
    epoch = _best_epoch(history)
    return TrainedNetwork(best, epoch, history[epoch - 1].validation_auprc, history)


def _best_epoch(history: Sequence[EpochReport]) -> int:
    return min(history, key=lambda report: report.validation_loss).epoch


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch, OpenMP and BLAS to one thread: batches are too small to share, and sums come out the same on every
    machine.

    Beside other work on a machine of 2 cores, two threads that wait for each other took ten times as long as one
    (measured on 17,534 raw steps: 12 s against 1.4 s an epoch; scikit-learn's boosting 72 s against 2.5 s).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def check_outcomes(runs: Sequence[Outcome]) -> None:
    """Raise TooFewRunsError unless there are at least ten runs of each outcome."""
    failures = sum(not run.success for run in runs)
    if min(failures, len(runs) - failures) < 10:
        raise TooFewRunsError(
            "training needs at least 10 failed and 10 successful runs; "
            f"there are {failures} failed and {len(runs) - failures} successful"
        )


def split_by_task(runs: Sequence[FeaturedRun], share: float, seed: int) -> tuple[list[FeaturedRun], list[FeaturedRun]]:
    """Return (rest, held out): whole tasks, chosen by a hash of seed and task id; both sides keep at least one run of
    each outcome.
    """

    def rank(task: str) -> str:
        return hashlib.sha256(f"{seed}:{task}".encode("utf-8", "replace")).hexdigest()

    tasks = sorted({run.task for run in runs}, key=rank)
    held: set[str] = set()
    for task in tasks:
        part = [run for run in runs if run.task in held]
        if len(part) >= share * len(runs) and len({run.success for run in part}) == 2:
            break
        held.add(task)
    rest = [run for run in runs if run.task not in held]
    if len({run.success for run in rest}) < 2:
        raise TooFewRunsError(
            f"{len(tasks)} tasks are too few to hold some out for early stopping with both outcomes on each side"
        )
    return rest, [run for run in runs if run.task in held]


def _fit_epoch(
    network: MonitorNetwork,
    optimiser: torch.optim.Optimizer,
    runs: Sequence[FeaturedRun],
    settings: TrainingSettings,
    temperature: float,
    rng: np.random.Generator,
) -> float:
    network.train()
    total, batches = 0.0, 0
    for batch in beside(network, iter_batches(runs, settings.batch_size, settings.horizon, rng)):
        optimiser.zero_grad()
        loss = _training_loss(network(batch, temperature), batch, settings, temperature)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        total += float(loss.detach())
        batches += 1
    return total / batches


def _training_loss(logits: Logits, batch: RunBatch, settings: TrainingSettings, temperature: float) -> Tensor:
    main = _served_loss(logits, batch, settings)
    audit = _weighted_bce(logits.audit[..., 0], batch.risk, batch) + _weighted_bce(
        logits.audit[..., 1], batch.failure, batch
    )
    probabilities = (logits.symbols[batch.valid] / temperature).softmax(-1)
    step_entropy = -(probabilities * probabilities.clamp_min(1e-8).log()).sum(-1).mean()
    mean = probabilities.mean(0)
    balance = step_entropy + (mean * mean.clamp_min(1e-8).log()).sum()
    return main + settings.audit_weight * audit + settings.balance_weight * balance


def _served_loss(logits: Logits, batch: RunBatch, settings: TrainingSettings) -> Tensor:
    risk = _weighted_bce(logits.risk, batch.risk, batch)
    return risk + settings.failure_weight * _weighted_bce(logits.failure, batch.failure, batch)


def _weighted_bce(logit: Tensor, label: Tensor, batch: RunBatch) -> Tensor:
    losses = functional.binary_cross_entropy_with_logits(logit, label, reduction="none")
    return (losses * batch.weight).sum() / batch.weight.sum()


def _validate(network: MonitorNetwork, runs: Sequence[FeaturedRun], settings: TrainingSettings) -> tuple[float, float]:
    network.eval()
    total, weight, scores, labels = 0.0, 0.0, [], []
    with torch.no_grad():
        for batch in beside(network, iter_batches(runs, 64, settings.horizon, None)):
            logits = network(batch)
            share = float(batch.weight.sum())
            total += float(_served_loss(logits, batch, settings)) * share
            weight += share
            scores.append(logits.risk[batch.valid].cpu().numpy())
            labels.append(batch.risk[batch.valid].cpu().numpy())
    return total / weight, float(average_precision_score(np.concatenate(labels), np.concatenate(scores)))
