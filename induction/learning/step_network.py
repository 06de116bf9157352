"""What every network is that can be exported: one raw step with explicit state."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class StepNetwork(nn.Module, ABC):
    """A trained network as it is exported: one raw step of each of B runs, with explicit state."""

    n_rows: int
    """Rows of its vocabulary."""
    n_shape: int
    """Run-shape numbers that it takes."""
    n_symbols: int
    state_size: int
    """Floats of state a run."""

    @abstractmethod
    def step(
        self, rows: Tensor, weights: Tensor, chunks: Tensor, shape: Tensor, opens: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return risk logit [B], failure logit [B], symbol [B] (int64) and next state [B, state_size].

        rows int64 [C, L], weights float32 [C, L] (0 where padded), chunks int64 [B, K] (0 = the empty chunk), shape
        float32 [B, n_shape], opens float32 [B] (1 = the raw step opens a turn), state float32 [B, state_size] (zeros
        before the first raw step).
        """
