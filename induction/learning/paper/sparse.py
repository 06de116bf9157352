"""A linear layer on sparse rows: compiled sums of its weight's rows, forward and backward, without padding.

The input is frozen, so only the weight has a gradient. One thread, one order of summation: the same bytes each time.
Beside the CPU it is torch's bag of embeddings, whose sums are made in any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from induction.learning.bags import sum_rows
from monitors.features.compiling import choose_cache_dir

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)


class SparseLinear(nn.Module):
    """x W + b for rows x that are given as (column, value) lists. Weight [n_in, n_out], as torch.nn.Linear starts."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        bound = n_in**-0.5
        self.weight = nn.Parameter(torch.empty(n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_out).uniform_(-bound, bound))

    def forward(self, rows: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
        """Return [N, n_out] of N sparse rows; `offsets` [N + 1] says where each starts."""
        product = _SparseProduct.apply if self.weight.device.type == "cpu" else sum_bags
        found: Tensor = product(self.weight, rows, weights, offsets)
        return found + self.bias

    def chunked(self, rows: Tensor, weights: Tensor, chunks: Tensor) -> Tensor:
        """Return [B, n_out] of rows as in `StepNetwork.step`. What is exported."""
        return sum_rows(self.weight, rows, weights, chunks) + self.bias


def sum_bags(weight: Tensor, rows: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
    """Return the product [N, n_out] of N sparse rows and a weight [n_in, n_out], on any device."""
    return functional.embedding_bag(
        rows, weight, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


class _SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
        sparse = (rows.numpy(), weights.numpy(), offsets.numpy())
        out = np.zeros((len(offsets) - 1, weight.shape[1]), np.float32)
        _multiply(*sparse, weight.detach().numpy(), out)
        ctx.sparse = (*sparse, weight.shape)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        rows, weights, offsets, shape = ctx.sparse
        out = np.zeros(tuple(shape), np.float32)
        _multiply_transposed(rows, weights, offsets, gradient.contiguous().numpy(), out)
        return torch.from_numpy(out), None, None, None


@njit(cache=True, nogil=True)
def _multiply(
    rows: NDArray[np.int64],
    weights: NDArray[np.float32],
    offsets: NDArray[np.int64],
    table: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    for index in range(offsets.size - 1):
        for place in range(offsets[index], offsets[index + 1]):
            row, weight = rows[place], weights[place]
            for column in range(out.shape[1]):
                out[index, column] += weight * table[row, column]


@njit(cache=True, nogil=True)
def _multiply_transposed(
    rows: NDArray[np.int64],
    weights: NDArray[np.float32],
    offsets: NDArray[np.int64],
    gradient: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    for index in range(offsets.size - 1):
        for place in range(offsets[index], offsets[index + 1]):
            row, weight = rows[place], weights[place]
            for column in range(out.shape[1]):
                out[row, column] += weight * gradient[index, column]
