"""The paper's heads, and an LSTM: each over whole runs for training and one raw step with explicit state for serving.

Every head goes over turns: the state before the open turn is kept, and each raw step scores the open turn from it.
Before the first action the state stays zero: there is no turn yet (reference facts, section 4).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from induction.learning.paper.batches import TurnBatch


class Head(nn.Module, ABC):
    """Risk logits from the inputs of turns."""

    state_size: int
    """Floats of explicit state; zeros before the first raw step."""
    temperature: float = 1.0
    """Of the soft automaton's transitions; falls in training."""

    @abstractmethod
    def whole(self, inputs: Tensor, batch: TurnBatch) -> Tensor:
        """Return logits [B, S] of the points [B, S, n_in] of whole runs."""

    @abstractmethod
    def step(self, inputs: Tensor, opened: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return logit [B] and next state [B, state_size] of one raw step; `inputs` [B, n_in] is the open turn so far,
        `opened` [B, 1] is 1 where the raw step opened it.
        """


class RecurrentHead(Head):
    """A head that remembers a fixed number of floats between turns. State: has a turn begun, memory before the open
    turn, memory after the last raw step.
    """

    def __init__(self, memory_size: int) -> None:
        super().__init__()
        self.memory_size = memory_size
        self.state_size = 1 + 2 * memory_size

    @abstractmethod
    def advance(self, inputs: Tensor, before: Tensor) -> Tensor:
        """Return the memory [..., memory_size] after turns [..., n_in] that `before` comes before."""

    @abstractmethod
    def read(self, memory: Tensor) -> Tensor:
        """Return logits [...] of memories [..., memory_size]."""

    def sequence(self, inputs: Tensor) -> Tensor:
        """Return the memories [B, G, memory_size] after each of a run's turns [B, G, n_in]."""
        memory, found = inputs.new_zeros(inputs.shape[0], self.memory_size), []
        for turn in inputs.unbind(1):
            memory = self.advance(turn, memory)
            found.append(memory)
        return torch.stack(found, 1)

    def whole(self, inputs: Tensor, batch: TurnBatch) -> Tensor:
        """Return logits [B, S] of the points of whole runs."""
        after = self.sequence(_take(inputs, batch.group_ends) if batch.has_open else inputs)
        if not batch.has_open:
            return self.read(after)
        before = functional.pad(after, (0, 0, 1, 0))[:, : after.shape[1]]
        return self.read(self.advance(inputs, _take(before, batch.groups)))

    def step(self, inputs: Tensor, opened: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return logit [B] and next state of one raw step."""
        began, before, last = state.split(  # type: ignore[no-untyped-call]
            [1, self.memory_size, self.memory_size], 1
        )
        began = torch.maximum(began, opened)
        before = opened * last + (1.0 - opened) * before
        after = self.advance(inputs, before)
        return self.read(after), torch.cat([began, before, began * after], 1)


class GruHead(RecurrentHead):
    """Linear → GELU → GRU → Linear."""

    def __init__(self, n_in: int, size: int) -> None:
        super().__init__(size)
        self.inlet = nn.Linear(n_in, size)
        self.gru = nn.GRU(size, size, batch_first=True)
        self.outlet = nn.Linear(size, 1)
        start_weights(self)

    def sequence(self, inputs: Tensor) -> Tensor:
        """Return the memories [B, G, memory_size] after each turn."""
        after, _ = self.gru(functional.gelu(self.inlet(inputs)))
        found: Tensor = after
        return found

    def advance(self, inputs: Tensor, before: Tensor) -> Tensor:
        """Return the GRU's state after one more turn: torch.nn.GRU's own formula, written out for the graph."""
        weight_input, weight_state, bias_input, bias_state = self.gru.all_weights[0]
        from_input = functional.linear(functional.gelu(self.inlet(inputs)), weight_input, bias_input)
        from_state = functional.linear(before, weight_state, bias_state)
        input_reset, input_update, input_new = from_input.chunk(3, -1)
        state_reset, state_update, state_new = from_state.chunk(3, -1)
        reset, update = torch.sigmoid(input_reset + state_reset), torch.sigmoid(input_update + state_update)
        return (1.0 - update) * torch.tanh(input_new + reset * state_new) + update * before

    def read(self, memory: Tensor) -> Tensor:
        """Return logits."""
        found: Tensor = self.outlet(memory)[..., 0]
        return found


class LstmHead(RecurrentHead):
    """LSTM → Linear, as predictive process monitoring has it. The memory is hidden state and cell."""

    def __init__(self, n_in: int, size: int) -> None:
        super().__init__(2 * size)
        self.lstm = nn.LSTM(n_in, size, batch_first=True)
        self.outlet = nn.Linear(size, 1)
        start_weights(self)

    def advance(self, inputs: Tensor, before: Tensor) -> Tensor:
        """Return hidden state and cell after one more turn."""
        hidden, cell = before.chunk(2, -1)
        weight_input, weight_state, bias_input, bias_state = self.lstm.all_weights[0]
        gates = functional.linear(inputs, weight_input, bias_input) + functional.linear(
            hidden, weight_state, bias_state
        )
        take, keep, new, show = gates.chunk(4, -1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(take) * torch.tanh(new)
        return torch.cat([torch.sigmoid(show) * torch.tanh(cell), cell], -1)

    def read(self, memory: Tensor) -> Tensor:
        """Return logits."""
        found: Tensor = self.outlet(memory.chunk(2, -1)[0])[..., 0]
        return found


class FlatHead(RecurrentHead):
    """Mean of the turns so far → Linear → GELU → Linear: no order. The memory is the sum and the number of turns."""

    def __init__(self, n_in: int, size: int) -> None:
        super().__init__(n_in + 1)
        self.inlet = nn.Linear(n_in, size)
        self.outlet = nn.Linear(size, 1)
        start_weights(self)

    def advance(self, inputs: Tensor, before: Tensor) -> Tensor:
        """Return sum and number after one more turn."""
        return before + self._counted(inputs)

    def sequence(self, inputs: Tensor) -> Tensor:
        """Return the running sums and numbers."""
        return self._counted(inputs).cumsum(1)

    def read(self, memory: Tensor) -> Tensor:
        """Return logits."""
        mean = memory[..., :-1] / memory[..., -1:].clamp_min(1.0)
        found: Tensor = self.outlet(functional.gelu(self.inlet(mean)))[..., 0]
        return found

    def _counted(self, inputs: Tensor) -> Tensor:
        # [..., n_in] → [..., n_in + 1]: and one turn each.
        return torch.cat([inputs, 0.0 * inputs[..., :1] + 1.0], -1)


class FsmHead(RecurrentHead):
    """Soft finite-state automaton: s_t ∝ s_{t-1} · Σ_k p_t[k] T_k, risk from s_t. The memory is s_t - s_0, so that
    zeros are the start.
    """

    ones: Tensor

    def __init__(self, n_in: int, size: int) -> None:
        super().__init__(size)
        self.start = nn.Parameter(torch.full((size,), -4.0).index_fill(0, torch.tensor([0]), 4.0))
        self.transitions = nn.Parameter(torch.zeros(n_in, size, size))
        self.outlet = nn.Linear(size, 1)
        self.register_buffer("ones", torch.ones(size, size))
        start_weights(self)

    def advance(self, inputs: Tensor, before: Tensor) -> Tensor:
        """Return the distribution over states after one more turn, less that at the start."""
        start = self.start.softmax(0)
        table = (self.transitions / self.temperature).softmax(-1)
        size = self.memory_size
        mixed = torch.matmul(inputs, table.reshape(-1, size * size)).reshape(*inputs.shape[:-1], size, size)
        state = torch.matmul((before + start)[..., None, :], mixed)[..., 0, :]
        # The sum as a product with ones: one operator less that CUDA would have to know.
        return state / torch.matmul(state, self.ones).clamp_min(1e-8) - start

    def read(self, memory: Tensor) -> Tensor:
        """Return logits."""
        found: Tensor = self.outlet(memory + self.start.softmax(0))[..., 0]
        return found


def start_weights(module: nn.Module) -> None:
    """Start matrices as Xavier has it and biases at zero, as the published heads do."""
    for name, parameter in module.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
        elif "weight" in name and parameter.dim() == 2:
            nn.init.xavier_uniform_(parameter)


def _take(values: Tensor, places: Tensor) -> Tensor:
    # [B, n, d] at [B, m] → [B, m, d]
    return torch.gather(values, 1, places[..., None].expand(-1, -1, values.shape[-1]))
