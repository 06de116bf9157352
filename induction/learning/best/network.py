"""The network of `best`: text logits by frozen tables → their sums, lags and mean over turns, with run-shape numbers →
GRU over turns → 14 competing risks, and a failure logit that text logits and run-shape numbers reach directly.

Trained on features that are made beforehand (`forward`), exported with tables and sums inside (`step`); both go through
`score`, and a test holds that they agree. Left out: anything that looks ahead, and the symbols: they are learned beside
the scores, for audit, and nothing that is served depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from induction.learning.bags import sum_rows
from induction.learning.best.classes import N_CLASSES, to_members
from induction.learning.best.shapes import MAX_DEVIATIONS, Scale
from induction.learning.best.stacking import Stack
from induction.learning.gru import step_gru
from induction.learning.step_network import StepNetwork

MAX_CLASS_LOGIT = 15.0
"""Class logits are cut here, so that sums of their exponentials neither overflow nor lose digits in float32."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large the network is."""

    n_shape: int
    n_text: int
    """Text logits of a raw step: columns of the table."""
    hidden: int = 64
    n_symbols: int = 16
    dropout: float = 0.2
    horizon: int = 3

    @property
    def n_features(self) -> int:
        """Run-shape numbers, then text logits of the open turn, the last, the one before, and their mean over turns."""
        return self.n_shape + 4 * self.n_text


@dataclass(frozen=True, slots=True)
class Outputs:
    """Scores of raw steps, any leading shape."""

    classes: Tensor
    """[..., N_CLASSES] logits of the competing risks."""
    risk: Tensor
    """Logit of failing within the horizon."""
    failure: Tensor
    """Logit of failing in the end, from the classes alone."""
    symbols: Tensor
    """[..., K] symbol logits."""
    audit: Tensor
    """[..., 2] risk and failure logits from the symbol alone: they give the symbols their meaning and are never served.
    """


@dataclass(frozen=True, slots=True)
class TurnPlaces:
    """Where turns are in a padded batch of runs, [B, S] raw steps and [B, G] turn groups."""

    turn_of_step: Tensor
    """int64 [B, S]"""
    turn_end: Tensor
    """int64 [B, G] place of each group's last raw step."""


class BestNetwork(StepNetwork):
    """What `best` serves."""

    feature_mean: Tensor
    feature_scale: Tensor
    table: Tensor
    members: Tensor
    text_weight: Tensor
    shape_weight: Tensor
    stack: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.n_rows, self.n_shape, self.n_symbols = 1, size.n_shape, size.n_symbols
        self.state_size = 2 * size.hidden + 4 * size.n_text + 2
        self.encoder = nn.Linear(size.n_features, size.hidden)
        self.gru = nn.GRU(size.hidden, size.hidden, batch_first=True)
        self.classes = nn.Linear(2 * size.hidden, N_CLASSES)
        self.symbols = nn.Linear(size.hidden, size.n_symbols)
        self.audit = nn.Linear(size.n_symbols, 2)
        self.dropout = nn.Dropout(size.dropout)
        self.register_buffer("feature_mean", torch.zeros(size.n_features))
        self.register_buffer("feature_scale", torch.ones(size.n_features))
        self.register_buffer("table", torch.zeros(1, size.n_text))
        self.register_buffer("members", torch.from_numpy(to_members(size.horizon)))
        # Served failure logit = stack[0] * network's + text logits' mean over turns · text_weight
        # + standardised run-shape numbers · shape_weight + stack[1].
        self.register_buffer("text_weight", torch.zeros(size.n_text))
        self.register_buffer("shape_weight", torch.zeros(size.n_shape))
        self.register_buffer("stack", torch.tensor([1.0, 0.0]))

    def set_table(self, table: NDArray[np.float32]) -> None:
        """Use the linear text models of the columns of `table`, float32 [n_rows, n_text]."""
        self.n_rows = max(len(table), 1)
        self.table = torch.from_numpy(table.copy()) if len(table) else torch.zeros(1, self.size.n_text)

    def set_stack(self, stack: Stack) -> None:
        """Serve the failure logit as this sum."""
        self.stack = torch.tensor([stack.network, stack.intercept], dtype=torch.float32)
        self.text_weight = torch.from_numpy(stack.text.astype(np.float32))
        self.shape_weight = torch.from_numpy(stack.shape.astype(np.float32))

    def set_scale(self, scale: Scale) -> None:
        """Standardise features by this."""
        self.feature_mean = torch.from_numpy(scale.mean.astype(np.float32))
        self.feature_scale = torch.from_numpy(scale.factor.astype(np.float32))

    def forward(self, features: Tensor, places: TurnPlaces, temperature: float = 0.25) -> Outputs:
        """Return outputs [B, S] for every raw step of whole runs, features [B, S, n_features]; padded places hold
        numbers without meaning.
        """
        encoded = self._encode(self._standardise(features))
        hidden = self.size.hidden
        at_ends = torch.gather(encoded, 1, places.turn_end[..., None].expand(-1, -1, hidden))
        after_turn, _ = self.gru(at_ends)
        before_turn = functional.pad(after_turn, (0, 0, 1, 0))[:, : after_turn.shape[1]]
        before = torch.gather(before_turn, 1, places.turn_of_step[..., None].expand(-1, -1, hidden))
        return self._score(encoded, step_gru(self.gru, encoded, before), temperature)

    def step(
        self, rows: Tensor, weights: Tensor, chunks: Tensor, shape: Tensor, opens: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return risk logit [B], failure logit [B], symbol [B] and next state [B, state_size] of one raw step of each
        of B runs.

        State: the GRU's state before the open turn and after the last raw step, then text logits summed over the open
        turn and over closed turns, those of the last turn and of the one before, then how many turns are closed and
        whether one is open.
        """
        hidden, n_text = self.size.hidden, self.size.n_text
        before, last, text = torch.split(state, [hidden, hidden, 4 * n_text + 2], -1)
        opened = opens[:, None]
        bag = sum_rows(self.table, rows, weights, chunks)
        text, text_features = self._take_text(text, bag, opened)
        before = opened * last + (1.0 - opened) * before
        numbers = self._standardise(torch.cat([shape, text_features], -1))
        encoded = self._encode(numbers)
        last = step_gru(self.gru, encoded, before)
        outputs = self._score(encoded, last, 0.25)
        mean = text_features[:, 3 * n_text :]
        failure = self.stack[0] * outputs.failure + torch.matmul(mean, self.text_weight[:, None])[:, 0] + self.stack[1]
        failure = failure + torch.matmul(numbers[:, : self.n_shape], self.shape_weight[:, None])[:, 0]
        # Not argmax: ONNX Runtime's CUDA kernel of it ends at opset 11, and the step would leave the GPU for it.
        symbol = outputs.symbols.topk(1).indices[:, 0]
        return outputs.risk, failure, symbol, torch.cat([before, last, text], -1)

    def _take_text(self, text: Tensor, bag: Tensor, opened: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next text part of the state and the features [B, 4 * n_text] that it makes."""
        n_text = self.size.n_text
        summed, closed_sum, lag1, lag2, closed, begun = torch.split(text, [n_text] * 4 + [1, 1], -1)
        # A turn closes when another opens; before the first raw step there is none to close.
        closing = opened * begun
        closed_sum = closed_sum + closing * summed
        lag2 = closing * lag1 + (1.0 - closing) * lag2
        lag1 = closing * summed + (1.0 - closing) * lag1
        summed = (1.0 - closing) * summed + bag
        closed = closed + closing
        mean = (closed_sum + summed) / (closed.clamp_min(0.0) + 1.0)
        features = torch.cat([summed, lag1, lag2, mean], -1)
        return torch.cat([summed, closed_sum, lag1, lag2, closed, torch.ones_like(begun)], -1), features

    def _standardise(self, features: Tensor) -> Tensor:
        return ((features - self.feature_mean) * self.feature_scale).clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)

    def _encode(self, numbers: Tensor) -> Tensor:
        return functional.gelu(self.encoder(self.dropout(numbers)))

    def _score(self, encoded: Tensor, state: Tensor, temperature: float) -> Outputs:
        classes = self.classes(self.dropout(torch.cat([state, encoded], -1)))
        # Logit of a sum of classes = log of their exponentials' sum, less that of the others': no difference of
        # nearly equal numbers, unlike log(p) - log(1 - p).
        masses = classes.clamp(-MAX_CLASS_LOGIT, MAX_CLASS_LOGIT).exp()
        logits = torch.matmul(masses, self.members).log() - torch.matmul(masses, 1.0 - self.members).log()
        symbols = self.symbols(encoded.detach())
        noisy = symbols
        if self.training:
            # Gumbel(0, 1) noise from exponentials: -log(Exp(1)).
            noisy = symbols - torch.empty_like(symbols).exponential_().clamp_min(1e-10).log()
        audit = self.audit((noisy / temperature).softmax(-1))
        return Outputs(classes, logits[..., 0], logits[..., 1], symbols, audit)
