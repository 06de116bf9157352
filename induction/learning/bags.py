"""A raw step's sparse rows times a table, inside the graph."""

from __future__ import annotations

from torch import Tensor, matmul
from torch.nn import functional


def sum_rows(table: Tensor, rows: Tensor, weights: Tensor, chunks: Tensor) -> Tensor:
    """Return [B, n], the weighted sums of each raw step's rows of a table [n_rows, n].

    rows int64 [C, L], weights float32 [C, L] and chunks int64 [B, K] as in `FeatureBatch`: first each chunk is summed,
    then each raw step's chunks, so that the work goes with the rows there are, not with the longest list.
    """
    by_chunk = matmul(weights[:, None, :], functional.embedding(rows, table))[:, 0, :]
    return functional.embedding(chunks, by_chunk).sum(1)
