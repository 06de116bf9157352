"""A second device for machines that have none: what is moved there computes, on the CPU within, and meets nothing else.

torch's device `meta` with numbers in it. An operation on tensors of both devices is an error, as on a GPU, and so is
numpy's reading of one. What this cannot show: kernels, their rounding, and their random numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "meta"
CROSSING = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}
"""All that may have tensors of both devices."""


class MixedDevicesError(AssertionError):
    """An operation was given tensors of two devices."""


class Elsewhere(Tensor):
    """A tensor of the other device."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Elsewhere:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=NAME,
        )  # fmt: skip
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError("the other device is used outside AnotherDevice")


class AnotherDevice(TorchDispatchMode):
    """While entered, `torch.device("meta")` computes; `operations` counts how often."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        wrapped = {id(one.inner): one for one in tensors if isinstance(one, Elsewhere)}
        device = kwargs.get("device")
        is_there = bool(wrapped) if device is None else torch.device(device).type == NAME
        if is_there and device is not None:
            kwargs["device"] = torch.device("cpu")
        # A single number may come from anywhere, as on a GPU.
        if wrapped and func not in CROSSING and any(not isinstance(one, Elsewhere) and one.dim() for one in tensors):
            raise MixedDevicesError(f"{func} was given tensors of two devices")
        self.operations += is_there
        inner_args, inner_kwargs = tree_map(_unwrap, (args, kwargs))
        found = func(*inner_args, **inner_kwargs)
        if func is torch.ops.aten.copy_.default:
            return args[0]
        if is_there and torch.Tag.inplace_view in func.tags:
            # Such as transpose_, which a GRU's output goes through: the outer tensor has to turn too.
            with no_dispatch():
                func(*args, **kwargs)
            return args[0]

        def wrap(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            return wrapped[id(value)] if id(value) in wrapped else Elsewhere(value)

        return tree_map(wrap, found) if is_there else found


def _unwrap(value: Any) -> Any:
    return value.inner if isinstance(value, Elsewhere) else value
