"""Fitting the paper's networks as published: AdamW, 24 epochs, cooling symbols, the balance loss, no early stop.

What was left to a validation split that the reference shares with its calibration is decided inside the training runs:
batch size (64 or 8) and epoch are those with the best average precision over task-grouped inner folds; then the network
is fitted anew on all training runs up to that epoch. Runs are shuffled, which the reference does not do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import functional

from induction.errors import TooFewRunsError
from induction.learning.checkpoints import NO_CHECKPOINTS, Checkpoints
from induction.learning.device import CPU, Device, beside
from induction.learning.epochs import Figures, History, Learner, run_epochs
from induction.learning.paper.batches import TurnBatch, iter_turn_batches
from induction.learning.paper.network import TurnNetwork
from induction.learning.paper.turns import StoredRun, TurnStore
from induction.learning.progress import NO_PROGRESS, Countdown, EpochReport, Progress

EPOCHS = 24
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-4
BALANCE_WEIGHT = 0.1
WARMEST, COOLEST = 1.0, 0.25
"""Temperature of symbols and transitions at the first and the last epoch, linear between."""
BATCH_SIZES = (64, 8)
INNER_FOLDS = 3


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """What is chosen by the caller."""

    horizon: int = 3
    seed: int = 13
    epochs: int = EPOCHS
    batch_sizes: tuple[int, ...] = BATCH_SIZES
    inner_folds: int = INNER_FOLDS
    device: Device = "cpu"


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A fitted network and how it was chosen."""

    network: TurnNetwork
    epochs: int
    batch_size: int
    validation_auprc: float


Build = Callable[[], TurnNetwork]
"""Makes an untrained network; called after the seed is set."""


def fit_network(
    store: TurnStore,
    build: Build,
    settings: PaperSettings,
    progress: Progress = NO_PROGRESS,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
) -> FittedNetwork:
    """Return a network fitted to a store's runs, on the CPU. Deterministic on CPU for a seed; on CUDA bytes may differ
    from one training to the next.

    Raises TooFewRunsError unless there are at least ten runs of each outcome and tasks enough to hold some out.
    """
    failures = sum(not run.success for run in store.runs)
    if min(failures, len(store.runs) - failures) < 10:
        raise TooFewRunsError(
            "training needs at least 10 failed and 10 successful runs; "
            f"there are {failures} failed and {len(store.runs) - failures} successful"
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _choose_and_fit(store, build, settings, progress, checkpoints)
    finally:
        torch.set_num_threads(threads)


def _choose_and_fit(
    store: TurnStore, build: Build, settings: PaperSettings, progress: Progress, checkpoints: Checkpoints
) -> FittedNetwork:
    parts = split_inner(store.runs, settings.inner_folds, settings.seed)
    progress.stage("Choosing batch size and epochs on inner folds")
    # One epoch of small batches takes longer: measured 12,000 turns a second in batches of 8, 54,000 in those of 64.
    costs = [1.0 + 64.0 / size for size in settings.batch_sizes for _ in range(len(parts) * settings.epochs)]
    countdown = Countdown(progress, costs)
    found = {
        size: _inner_auprc(store, build, settings, size, parts, countdown, checkpoints) for size in settings.batch_sizes
    }
    batch_size = max(found, key=lambda size: float(found[size].max()))
    auprc = found[batch_size]
    epochs = int(auprc.argmax()) + 1
    progress.stage("Training")
    fitting = _Fitting(store, build, settings, batch_size, store.runs)
    fitting.run(epochs, "epochs", checkpoints, lambda epoch: float(auprc[epoch - 1]), progress.epoch)
    return FittedNetwork(fitting.network.to(CPU).eval(), epochs, batch_size, float(auprc[epochs - 1]))


def split_inner(runs: Sequence[StoredRun], folds: int, seed: int) -> list[list[StoredRun]]:
    """Return runs in parts of whole tasks, chosen by a hash of seed and task; parts without both outcomes are left out
    (their runs then always train).

    Raises TooFewRunsError if no part is left.
    """

    def rank(task: str) -> str:
        return hashlib.sha256(f"{seed}:{task}".encode("utf-8", "replace")).hexdigest()

    tasks = sorted({run.task for run in runs}, key=rank)
    fold_of = {task: place % folds for place, task in enumerate(tasks)}
    parts = [[run for run in runs if fold_of[run.task] == fold] for fold in range(folds)]
    kept = [part for part in parts if len({run.success for run in part}) == 2 and len(part) < len(runs)]
    if not kept:
        raise TooFewRunsError(f"{len(tasks)} tasks are too few to hold some out with both outcomes")
    return kept


def _inner_auprc(
    store: TurnStore,
    build: Build,
    settings: PaperSettings,
    batch_size: int,
    parts: Sequence[Sequence[StoredRun]],
    countdown: Countdown,
    checkpoints: Checkpoints,
) -> NDArray[np.float64]:
    """Return the mean average precision over inner folds after each epoch, [epochs]."""
    found = np.zeros((len(parts), settings.epochs))
    for fold, held in enumerate(parts):
        places = {run.place for run in held}
        fitting = _Fitting(store, build, settings, batch_size, [run for run in store.runs if run.place not in places])
        found[fold] = _held_auprc(fitting, held, f"inner-{batch_size}-{fold}", countdown, checkpoints)
    mean: NDArray[np.float64] = found.mean(0)
    return mean


def _held_auprc(
    fitting: _Fitting, held: Sequence[StoredRun], name: str, countdown: Countdown, checkpoints: Checkpoints
) -> list[float]:
    before, epochs = countdown.done, fitting.settings.epochs

    def tell(report: EpochReport) -> None:
        countdown.skip_to(before + report.epoch - 1)
        countdown.end_part()

    history = fitting.run(epochs, name, checkpoints, lambda _: fitting.turn_auprc(held), tell)
    countdown.skip_to(before + epochs)
    return [report.validation_auprc for report in history]


class _Fitting:
    """A network on its way."""

    def __init__(
        self, store: TurnStore, build: Build, settings: PaperSettings, batch_size: int, runs: Sequence[StoredRun]
    ) -> None:
        torch.manual_seed(settings.seed)
        self._device = torch.device(settings.device)
        self.network = build().to(self._device)
        self.settings = settings
        self._store, self._batch_size, self._runs = store, batch_size, runs
        self._rng = np.random.default_rng(settings.seed)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
        )

    def run(
        self,
        epochs: int,
        name: str,
        checkpoints: Checkpoints,
        judge: Callable[[int], float],
        report: Callable[[EpochReport], None],
    ) -> History:
        """Train so many epochs, those of a killed process included; `judge` gives each one's average precision."""

        def fit(history: Sequence[EpochReport]) -> Figures:
            epoch = len(history) + 1
            return Figures(self._fit_epoch(epoch), validation_auprc=judge(epoch))

        learner = Learner({"network": self.network}, self._optimiser, self._rng, self._device)
        history = run_epochs(learner, epochs, fit, name=name, checkpoints=checkpoints, report=report)
        # A temperature is no weight: a network whose last epoch was remembered has to be told.
        self._cool(epochs)
        return history

    def turn_auprc(self, runs: Sequence[StoredRun]) -> float:
        """Return the average precision over the turns of some runs."""
        return turn_auprc(self.network, self._store, runs, self.settings.horizon)

    def _cool(self, epoch: int) -> None:
        share = (epoch - 1) / (self.settings.epochs - 1) if self.settings.epochs > 1 else 1.0
        self.network.cool(WARMEST + share * (COOLEST - WARMEST))

    def _fit_epoch(self, epoch: int) -> float:
        """Train one epoch; return the mean loss of its batches."""
        self.network.train()
        self._cool(epoch)
        losses = []
        drawn = iter_turn_batches(self._store, self._runs, self._batch_size, self.settings.horizon, self._rng)
        for batch in beside(self.network, drawn):
            self._optimiser.zero_grad(set_to_none=True)
            loss = training_loss(self.network, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))


def training_loss(network: TurnNetwork, batch: TurnBatch) -> Tensor:
    """Return L_prefix + 0.1 · L_balance: the runs' mean cross-entropy, each run's over its turns, and the mean entropy
    of sampled symbols less the entropy of their mean.
    """
    scores = network(batch)
    losses = functional.binary_cross_entropy_with_logits(scores.logits, batch.label, reduction="none")
    prefix: Tensor = (losses * batch.weight).sum() / batch.weight.shape[0]
    if not scores.symbols.shape[0]:
        return prefix
    sampled, mean = scores.symbols, scores.symbols.mean(0)
    step_entropy = -(sampled * sampled.clamp_min(1e-8).log()).sum(-1).mean()
    mean_entropy = -(mean * mean.clamp_min(1e-8).log()).sum()
    found: Tensor = prefix + BALANCE_WEIGHT * (step_entropy - mean_entropy)
    return found


def turn_auprc(network: TurnNetwork, store: TurnStore, runs: Sequence[StoredRun], horizon: int) -> float:
    """Return the average precision of the risk over the runs' turns; those of one group count apart, with one score."""
    network.eval()
    scores, labels, weights = [], [], []
    with torch.no_grad():
        for batch in beside(network, iter_turn_batches(store, runs, 64, horizon, None)):
            counted = batch.turns > 0
            logits, label, turns = (
                part[counted].cpu().numpy() for part in (network(batch).logits, batch.label, batch.turns)
            )
            scores += [logits, logits]
            labels += [np.ones(logits.size), np.zeros(logits.size)]
            weights += [label * turns, (1.0 - label) * turns]
    return float(
        average_precision_score(np.concatenate(labels), np.concatenate(scores), sample_weight=np.concatenate(weights))
    )
