"""Training epoch by epoch, and going on with it: the one loop of every preset.

What an epoch changes is kept after it, as arrays of the CPU: weights, the optimiser's moments, the generators of random
numbers, and the figures so far. Whatever else an epoch depends on (rates, temperatures) has to follow from its number.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from math import nan
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from induction.learning.checkpoints import Checkpoints
from induction.learning.device import CPU
from induction.learning.progress import EpochReport

KEEPING_SHARE = 0.02
"""Of the training time, at most, goes into keeping checkpoints: after a slow one the next waits longer."""

History = list[EpochReport]


@dataclass(frozen=True, slots=True)
class Figures:
    """What an epoch came to; NaN where nothing is held out."""

    loss: float
    validation_loss: float = nan
    validation_auprc: float = nan


@dataclass(frozen=True, slots=True)
class Learner:
    """All that an epoch changes, beside torch's own generators."""

    networks: Mapping[str, nn.Module]
    optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    device: torch.device = CPU
    """Where the network that is trained draws its random numbers."""


def run_epochs(
    learner: Learner,
    epochs: int,
    fit: Callable[[Sequence[EpochReport]], Figures],
    *,
    name: str,
    checkpoints: Checkpoints,
    report: Callable[[EpochReport], None] = lambda _: None,
    is_enough: Callable[[Sequence[EpochReport]], bool] = lambda _: False,
) -> History:
    """Train until there are so many epochs or they are enough; return them all, those of a killed process included.

    `fit` trains one epoch, given those before it; `is_enough` is asked after each and may depend on the figures alone.
    """
    history = _go_on(learner, name, checkpoints)
    before, started = len(history), time.monotonic()
    due = 0.0
    while len(history) < epochs and not (history and is_enough(history)):
        found = fit(history)
        epoch, now = len(history) + 1, time.monotonic()
        left = (now - started) / (epoch - before) * (epochs - epoch)
        history.append(EpochReport(epoch, found.loss, found.validation_loss, found.validation_auprc, left, epochs))
        report(history[-1])
        if now >= due or epoch == epochs or is_enough(history):
            checkpoints.keep(name, _to_arrays(learner, history))
            kept = time.monotonic()
            due = kept + (kept - now) / KEEPING_SHARE
    return history


def _to_arrays(learner: Learner, history: History) -> dict[str, NDArray[Any]]:
    arrays = {"history": np.array([astuple(report) for report in history], np.float64)}
    for key, network in learner.networks.items():
        arrays |= {f"{key}/{name}": value.cpu().numpy() for name, value in network.state_dict().items()}
    for place, moments in learner.optimiser.state_dict()["state"].items():
        arrays |= {f"optimiser/{place}/{name}": value.cpu().numpy() for name, value in moments.items()}
    if learner.device.type == "cuda":
        arrays["torch-cuda"] = torch.cuda.get_rng_state(learner.device).numpy()
    # As text: numpy's generator is made of integers beyond 64 bits.
    state = json.dumps(learner.rng.bit_generator.state).encode()
    return arrays | {"torch": torch.get_rng_state().numpy(), "numpy": np.frombuffer(state, np.uint8)}


def _go_on(learner: Learner, name: str, checkpoints: Checkpoints) -> History:
    """Put a learner where the epochs that were kept left it; return those."""
    arrays = checkpoints.find(name)
    if arrays is None:
        return []
    for key, network in learner.networks.items():
        network.load_state_dict({part: _to_tensor(arrays[f"{key}/{part}"]) for part in network.state_dict()})
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for path, value in arrays.items():
        if path.startswith("optimiser/"):
            _, place, part = path.split("/")
            moments.setdefault(int(place), {})[part] = _to_tensor(value)
    learner.optimiser.load_state_dict({**learner.optimiser.state_dict(), "state": moments})
    torch.set_rng_state(_to_tensor(arrays["torch"]))
    if learner.device.type == "cuda" and "torch-cuda" in arrays:
        torch.cuda.set_rng_state(_to_tensor(arrays["torch-cuda"]), learner.device)
    learner.rng.bit_generator.state = json.loads(arrays["numpy"].tobytes())
    return [
        EpochReport(int(epoch), loss, validation_loss, validation_auprc, left, int(epochs))
        for epoch, loss, validation_loss, validation_auprc, left, epochs in arrays["history"].tolist()
    ]


def _to_tensor(array: NDArray[Any]) -> torch.Tensor:
    # A copy in torch's own memory: aligned as all that it sums is, and free to be written to.
    return torch.from_numpy(array).clone()
