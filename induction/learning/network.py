"""The network of a monitor: bag of hashed n-grams → open turn → Gumbel-softmax events → GRU over turns → two logits.

One recurrence, two ways to run it. `forward` takes whole runs: the GRU goes over closed turns, then every raw step is
scored from the state before its turn and the turn as far as it has come. `step` takes one raw step and an explicit
state, and is what is exported. Both give the same numbers; a test says so. Left out: anything that looks ahead.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from induction.learning.bags import sum_rows
from induction.learning.batches import RunBatch
from induction.learning.gru import step_gru
from induction.learning.step_network import StepNetwork
from monitors.features.shape import N_SHAPE


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """How large the network is. State per run: 2 * hidden + embedding floats."""

    n_rows: int
    embedding: int = 32
    hidden: int = 64
    n_symbols: int = 16
    dropout: float = 0.3

    def to_dict(self) -> dict[str, float]:
        """Return the sizes by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Logits:
    """Scores of raw steps, any leading shape. Higher = more likely to fail."""

    risk: Tensor
    failure: Tensor
    symbols: Tensor
    """[..., K] symbol logits."""
    audit: Tensor
    """[..., 2] risk and failure logits from the symbol alone: they give the symbols their meaning and are never served.
    """


class MonitorNetwork(StepNetwork):
    """GRU monitor with learned event symbols."""

    shape_mean: Tensor
    shape_scale: Tensor

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        self.size = size
        self.n_rows, self.n_shape, self.n_symbols = size.n_rows, N_SHAPE, size.n_symbols
        self.state_size = 2 * size.hidden + size.embedding
        self.embedding = nn.EmbeddingBag(size.n_rows, size.embedding, mode="sum")
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.register_buffer("shape_mean", torch.zeros(N_SHAPE))
        self.register_buffer("shape_scale", torch.ones(N_SHAPE))
        self.encoder = nn.Linear(size.embedding + N_SHAPE, size.hidden)
        self.symbols = nn.Linear(size.hidden, size.n_symbols)
        self.audit = nn.Linear(size.n_symbols, 2)
        self.gru = nn.GRU(size.hidden + size.n_symbols, size.hidden, batch_first=True)
        self.heads = nn.Linear(size.hidden + size.hidden, 2)
        self.dropout = nn.Dropout(size.dropout)

    def fit_shape_scale(self, shape: Tensor) -> None:
        """Standardise run-shape numbers by those of the training steps, [n, N_SHAPE]."""
        self.shape_mean.copy_(shape.mean(0))
        self.shape_scale.copy_(1.0 / shape.std(0).clamp_min(1e-3))

    def forward(self, batch: RunBatch, temperature: float = 0.25) -> Logits:
        """Return logits [B, S] for every raw step of whole runs; padded places hold numbers without meaning."""
        bags = self.embedding(batch.rows, batch.offsets, per_sample_weights=batch.weights)
        turn = self._sum_open_turn(bags[batch.step_of_place], batch.turn_start)
        encoded, symbols, probabilities = self._encode(turn, batch.shape, temperature)
        step_input = torch.cat([encoded, probabilities], -1)
        turn_input = torch.gather(step_input, 1, batch.turn_end[..., None].expand(-1, -1, step_input.shape[-1]))
        after_turn, _ = self.gru(turn_input)
        before_turn = functional.pad(after_turn, (0, 0, 1, 0))[:, : after_turn.shape[1]]
        before_step = torch.gather(before_turn, 1, batch.turn_of_step[..., None].expand(-1, -1, self.size.hidden))
        state = step_gru(self.gru, step_input, before_step)
        return self._score(state, encoded, symbols, probabilities)

    def step(
        self, rows: Tensor, weights: Tensor, chunks: Tensor, shape: Tensor, opens: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return risk logit [B], failure logit [B], symbol [B] and next state [B, state_size] of one raw step of each
        of B runs.

        rows int64 [C, L], weights float32 [C, L], chunks int64 [B, K], shape float32 [B, N_SHAPE], opens float32
        [B], state float32 [B, state_size] = state before the open turn, state after the last raw step, sum of the open
        turn's bags.
        """
        hidden = self.size.hidden
        before, last, turn = state[:, :hidden], state[:, hidden : 2 * hidden], state[:, 2 * hidden :]
        opened = opens[:, None]
        bag = sum_rows(self.embedding.weight, rows, weights, chunks)
        turn = (1.0 - opened) * turn + bag
        before = opened * last + (1.0 - opened) * before
        encoded, symbols, probabilities = self._encode(turn, shape, 0.25)
        last = step_gru(self.gru, torch.cat([encoded, probabilities], -1), before)
        logits = self._score(last, encoded, symbols, probabilities)
        # Not argmax: ONNX Runtime's CUDA kernel of it ends at opset 11, and the step would leave the GPU for it.
        symbol = symbols.topk(1).indices[:, 0]
        return logits.risk, logits.failure, symbol, torch.cat([before, last, turn], -1)

    def _sum_open_turn(self, bags: Tensor, turn_start: Tensor) -> Tensor:
        # Sum over the raw steps of the open turn so far = running sum minus the running sum before the turn's first
        # step.
        running = functional.pad(bags.cumsum(1), (0, 0, 1, 0))
        before = torch.gather(running, 1, turn_start[..., None].expand(-1, -1, bags.shape[-1]))
        return running[:, 1:] - before

    def _encode(self, turn: Tensor, shape: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        numbers = (shape - self.shape_mean) * self.shape_scale
        encoded = functional.gelu(self.encoder(self.dropout(torch.cat([turn, numbers.clamp(-5.0, 5.0)], -1))))
        symbols = self.symbols(encoded)
        if self.training:
            # Gumbel(0, 1) noise from exponentials: -log(Exp(1)).
            noise = -torch.empty_like(symbols).exponential_().clamp_min(1e-10).log()
            return encoded, symbols, ((symbols + noise) / temperature).softmax(-1)
        return encoded, symbols, (symbols / temperature).softmax(-1)

    def _score(self, state: Tensor, encoded: Tensor, symbols: Tensor, probabilities: Tensor) -> Logits:
        logits = self.heads(self.dropout(torch.cat([state, encoded], -1)))
        return Logits(logits[..., 0], logits[..., 1], symbols, self.audit(probabilities))
