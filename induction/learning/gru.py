"""One step of a GRU, written out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def step_gru(gru: nn.GRU, inputs: Tensor, before: Tensor) -> Tensor:
    """Return the state [..., hidden] after one input [..., n_in] of a one-layer GRU in the state `before`.

    torch.nn.GRU's own formula, so that single steps and the exported graph share the sequence's weights.
    """
    weight_input, weight_state, bias_input, bias_state = gru.all_weights[0]
    from_input = functional.linear(inputs, weight_input, bias_input)
    from_state = functional.linear(before, weight_state, bias_state)
    input_reset, input_update, input_new = from_input.chunk(3, -1)
    state_reset, state_update, state_new = from_state.chunk(3, -1)
    reset = torch.sigmoid(input_reset + state_reset)
    update = torch.sigmoid(input_update + state_update)
    new = torch.tanh(input_new + reset * state_new)
    return (1.0 - update) * new + update * before
