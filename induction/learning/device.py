"""Where networks are trained: the CPU, or a GPU that is seen to compute before anything is entrusted to it.

Only torch networks move, and their batches; words, trees and linear models are learned on the CPU, and what was trained
is back there before anything reads it. Left out: several GPUs, and devices that are not CUDA's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from induction.errors import NoCudaError

Device = Literal["cpu", "cuda"]
CPU = torch.device("cpu")
BatchT = TypeVar("BatchT")


@dataclass(frozen=True, slots=True)
class ChosenDevice:
    """A device, and a line that says which one and why."""

    device: Device
    note: str


def find_cuda() -> str:
    """Return the name of the GPU that torch computes on. Raises NoCudaError unless a product and a GRU come out right.

    A driver may be listed and be too old, and cuBLAS be there without cuDNN: so both compute.
    """
    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        raise NoCudaError(f"torch {torch.__version__} is built without CUDA")
    try:
        # torch warns about a driver that is too old, and then answers that there is no GPU.
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            if not torch.cuda.is_available():
                raise NoCudaError("; ".join(["torch finds no GPU with a driver", *(str(one.message) for one in told)]))
            ones = torch.ones(4, 4, device="cuda")
            product = float((ones @ ones).sum())
            nn.GRU(4, 4, device="cuda")(ones)[0].sum().backward()
            name = torch.cuda.get_device_name()
    except (RuntimeError, AssertionError, OSError) as error:
        raise NoCudaError(f"CUDA is there and fails ({str(error).partition(chr(10))[0]})") from error
    if product != 64.0:
        raise NoCudaError(f"CUDA is there and computes wrong numbers (4 * 16 = {product:g})")
    return name


def choose_device(asked: Literal["auto", "cpu", "cuda"], find: Callable[[], str] = find_cuda) -> ChosenDevice:
    """Return the device that was asked for; for "auto" CUDA where `find` finds it, else the CPU and why.

    Raises NoCudaError if "cuda" was asked for and cannot be had.
    """
    if asked == "cpu":
        return ChosenDevice("cpu", "Networks train on the CPU")
    try:
        return ChosenDevice("cuda", f"Networks train on CUDA ({find()})")
    except NoCudaError as error:
        if asked == "cuda":
            raise
        return ChosenDevice("cpu", f"Networks train on the CPU: {error.reason}")


def beside(network: nn.Module, batches: Iterable[BatchT]) -> Iterator[BatchT]:
    """Yield batches on the network's own device: the one way by which they come there."""
    device = next(network.parameters()).device
    for batch in batches:
        yield move(batch, device)


def move(batch: BatchT, device: torch.device) -> BatchT:
    """Return a batch, a dataclass, with its tensors on a device, those of dataclasses in it too; all else as it is."""
    return replace(batch, **{field.name: _moved(getattr(batch, field.name), device) for field in fields(batch)})  # type: ignore[type-var, arg-type]


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    return move(value, device) if is_dataclass(value) else value
