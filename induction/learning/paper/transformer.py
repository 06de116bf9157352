"""The paper's causal Transformer, with a bounded window so that a step costs the same however long the run.

Two pre-norm layers over a run's turns, sinusoidal positions, no final norm. A layer's query sees its own turn and the
WINDOW turns before it; their keys and values are the explicit state, so one raw step computes nothing anew.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from induction.learning.paper.batches import TurnBatch
from induction.learning.paper.heads import Head, start_weights

LAYERS = 2
WINDOW = 60
"""Earlier turns in sight: 60 * 64 floats of keys and values are 15.4 KB of the 16 KB that a state may have."""
MASKED = 1e9


class TransformerHead(Head):
    """Linear → GELU → positions → causal layers → Linear. State: has a turn begun, turns before the open one, keys and
    values of the open turn, keys and values of the WINDOW turns before it, the latest last.
    """

    frequencies: Tensor
    ages: Tensor

    def __init__(self, n_in: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.n_heads = next(number for number in (8, 4, 2, 1) if size % number == 0)
        self.inlet = nn.Linear(n_in, size)
        self.first, self.second = _Layer(size), _Layer(size)
        self.outlet = nn.Linear(size, 1)
        start_weights(self)
        self.register_buffer(
            "frequencies", torch.exp(torch.arange(0, size, 2, dtype=torch.float32) * (-math.log(10_000.0) / size))
        )
        # How far back each place of the window lies, 1 = the turn before the open one.
        self.register_buffer("ages", torch.arange(WINDOW, 0, -1, dtype=torch.float32))
        self.turn_size = 2 * LAYERS * size
        self.state_size = 2 + (1 + WINDOW) * self.turn_size

    def whole(self, inputs: Tensor, batch: TurnBatch) -> Tensor:
        """Return logits [B, S] of the points of whole runs."""
        values = functional.gelu(self.inlet(inputs)) + self._positions(batch.groups[..., None].float())
        behind = batch.groups[..., None] - torch.arange(batch.group_ends.shape[1], device=inputs.device)
        hidden = ((behind < 1) | (behind > WINDOW)).float()[:, None] * -MASKED
        ends = batch.group_ends[..., None].expand(-1, -1, self.size)
        for layer in (self.first, self.second):
            query, key, value = layer.project(values)
            keys, known = torch.gather(key, 1, ends), torch.gather(value, 1, ends)
            values = layer.mix(values, self._attend(query, key, value, keys, known, hidden))
        return self._read(values)

    def step(self, inputs: Tensor, opened: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return logit [B] and next state of one raw step."""
        size = self.turn_size
        began, turns, last, window = state.split([1, 1, size, WINDOW * size], 1)  # type: ignore[no-untyped-call]
        # The open turn joins the window when the next one opens; before the first action there was none.
        pushed = opened * began
        moved = torch.cat([window[:, size:], last], 1)
        window = pushed * moved + (1.0 - pushed) * window
        turns, began = turns + pushed, torch.maximum(began, opened)
        values = (functional.gelu(self.inlet(inputs)) + self._positions(turns))[:, None]
        hidden = ((turns - self.ages + 1.0).clamp(0.0, 1.0) - 1.0)[:, None, None] * MASKED
        kept = window.reshape(-1, WINDOW, size)
        mine = []
        for index, layer in enumerate((self.first, self.second)):
            query, key, value = layer.project(values)
            mine += [key[:, 0], value[:, 0]]
            first = 2 * index * self.size
            keys, known = kept[:, :, first : first + 2 * self.size].chunk(2, -1)
            values = layer.mix(values, self._attend(query, key, value, keys, known, hidden))
        last = began * torch.cat(mine, 1)
        return self._read(values)[:, 0], torch.cat([began, turns, last, window], 1)

    def _positions(self, places: Tensor) -> Tensor:
        # places [..., 1] → [..., size], sines and cosines in turn as in the published encoding.
        angles = places * self.frequencies
        waves = torch.cat([torch.sin(angles)[..., None], torch.cos(angles)[..., None]], -1)
        return waves.reshape(*angles.shape[:-1], self.size)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, keys: Tensor, known: Tensor, hidden: Tensor) -> Tensor:
        # Each point [B, S] sees itself (key, value) and complete turns [B, G] (keys, known) unless hidden [B, 1, S, G].
        query, key, value, keys, known = (self._part(one) for one in (query, key, value, keys, known))
        scale = query.shape[-1] ** -0.5
        others = torch.matmul(query, keys.transpose(-1, -2)) * scale + hidden
        own = (query * key * scale).matmul(query.new_ones(query.shape[-1], 1))
        shares = torch.cat([others, own], -1).softmax(-1)
        n_keys = keys.shape[2]
        found = torch.matmul(shares[..., :n_keys], known) + shares[..., n_keys:] * value
        return found.transpose(1, 2).reshape(found.shape[0], found.shape[2], self.size)

    def _part(self, values: Tensor) -> Tensor:
        # [B, S, size] → [B, heads, S, size / heads]
        return values.reshape(values.shape[0], values.shape[1], self.n_heads, -1).transpose(1, 2)

    def _read(self, values: Tensor) -> Tensor:
        found: Tensor = self.outlet(values)[..., 0]
        return found


class _Layer(nn.Module):
    averaging: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.projection = nn.Linear(size, 3 * size)
        self.joining = nn.Linear(size, size)
        self.widening = nn.Linear(size, max(4 * size, 64))
        self.narrowing = nn.Linear(max(4 * size, 64), size)
        self.first_scale, self.second_scale = nn.Parameter(torch.ones(size)), nn.Parameter(torch.ones(size))
        self.first_bias, self.second_bias = nn.Parameter(torch.zeros(size)), nn.Parameter(torch.zeros(size))
        self.register_buffer("averaging", torch.full((size, size), 1.0 / size))

    def project(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, key and value, each [B, S, size]."""
        query, key, value = self.projection(self._normed(values, self.first_scale, self.first_bias)).chunk(3, -1)
        return query, key, value

    def mix(self, values: Tensor, seen: Tensor) -> Tensor:
        """Return the layer's output from its input and what its attention saw."""
        values = values + self.joining(seen)
        normed = self._normed(values, self.second_scale, self.second_bias)
        found: Tensor = values + self.narrowing(functional.gelu(self.widening(normed)))
        return found

    def _normed(self, values: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        # Layer norm; means as products with a matrix, so that the graph needs no operator of its own for it.
        centred = values - torch.matmul(values, self.averaging)
        spread = torch.matmul(centred * centred, self.averaging)
        return centred / torch.sqrt(spread + 1e-5) * scale + bias
