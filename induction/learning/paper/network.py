"""A network of one raw step made of an encoder of the open turn and a head over turns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from induction.learning.bags import sum_rows
from induction.learning.paper.batches import TurnBatch
from induction.learning.paper.heads import FlatHead, FsmHead, GruHead, Head, LstmHead
from induction.learning.paper.sparse import SparseLinear
from induction.learning.paper.transformer import TransformerHead
from induction.learning.step_network import StepNetwork

HIDDEN = 64
N_SYMBOLS = 16
HEAD_SIZE = 16
"""q."""
HEADS: dict[str, Callable[[int, int], Head]] = {
    "gru": GruHead,
    "transformer": TransformerHead,
    "fsm": FsmHead,
    "flat": FlatHead,
}


@dataclass(frozen=True, slots=True)
class TurnScores:
    """What a network says of whole runs."""

    logits: Tensor
    """[B, S] of failing within h turns."""
    symbols: Tensor
    """[N, K] probabilities of event symbols of all points, sampled in training."""


class TurnNetwork(StepNetwork):
    """Encoder and head. The one logit is risk, failure score and alert statistic: the paper has no other."""

    def __init__(self, encoder: TurnEncoder, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.n_rows, self.n_shape, self.n_symbols = encoder.n_rows, 1, encoder.n_symbols
        self.state_size = head.state_size

    def cool(self, temperature: float) -> None:
        """Set the temperature of symbols and transitions; the last one set is served."""
        self.encoder.temperature = self.head.temperature = temperature

    def forward(self, batch: TurnBatch) -> TurnScores:
        """Return the scores of every point of whole runs; padded places hold numbers without meaning."""
        inputs, symbols = self.encoder(batch)
        padded = functional.pad(inputs, (0, 0, 0, 1))[batch.places]
        return TurnScores(self.head.whole(padded, batch), symbols)

    def step(
        self, rows: Tensor, weights: Tensor, chunks: Tensor, shape: Tensor, opens: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return risk logit, failure logit (the same), symbol and next state of one raw step of each of B runs; rows
        and weights are those of the whole open turn so far. `shape` is not used.
        """
        inputs, scores = self.encoder.step(rows, weights, chunks)
        logit, after = self.head.step(inputs, opens[:, None], state)
        # Not argmax: ONNX Runtime's CUDA kernel of it ends at opset 11.
        return logit, logit + 0.0 * shape[:, 0], scores.topk(1).indices[:, 0], after


class TurnEncoder(nn.Module, ABC):
    """Turns to the inputs of a head."""

    n_rows: int
    n_symbols: int
    temperature: float = 1.0

    @abstractmethod
    def forward(self, batch: TurnBatch) -> tuple[Tensor, Tensor]:
        """Return inputs [N, n_in] and symbol probabilities [N, K] of all points."""

    @abstractmethod
    def step(self, rows: Tensor, weights: Tensor, chunks: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs [B, n_in] and symbol scores [B, n_symbols] of rows as in `StepNetwork.step`."""


class SymbolEncoder(TurnEncoder):
    """TF-IDF → Linear → GELU → Linear → Gumbel-softmax over event symbols, which are all that the head sees."""

    def __init__(self, n_rows: int) -> None:
        super().__init__()
        self.n_rows, self.n_symbols = n_rows, N_SYMBOLS
        self.widening = SparseLinear(n_rows, HIDDEN)
        self.symbols = nn.Linear(HIDDEN, N_SYMBOLS)

    def forward(self, batch: TurnBatch) -> tuple[Tensor, Tensor]:
        """Return the probabilities of symbols twice: they are the head's inputs."""
        scores = self.symbols(functional.gelu(self.widening(batch.rows, batch.weights, batch.offsets)))
        if self.training:
            # Gumbel(0, 1) noise from exponentials: -log(Exp(1)).
            scores = scores - torch.empty_like(scores).exponential_().clamp_min(1e-10).log()
        found = (scores / self.temperature).softmax(-1)
        return found, found

    def step(self, rows: Tensor, weights: Tensor, chunks: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities and scores of symbols."""
        scores = self.symbols(functional.gelu(self.widening.chunked(rows, weights, chunks)))
        return (scores / self.temperature).softmax(-1), scores


class ActivityEncoder(TurnEncoder):
    """Activity → embedding. The event symbol is the activity itself."""

    def __init__(self, n_rows: int, size: int = 32) -> None:
        super().__init__()
        self.n_rows, self.n_symbols = n_rows, n_rows
        self.embedding = SparseLinear(n_rows, size)
        self.register_buffer("identity", torch.eye(n_rows))

    def forward(self, batch: TurnBatch) -> tuple[Tensor, Tensor]:
        """Return the embeddings; there are no probabilities."""
        found = self.embedding(batch.rows, batch.weights, batch.offsets)
        return found, found.new_zeros(0, self.n_symbols)

    def step(self, rows: Tensor, weights: Tensor, chunks: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings, and the activity as scores."""
        scores = sum_rows(self.get_buffer("identity"), rows, weights, chunks)
        return self.embedding.chunked(rows, weights, chunks), scores


def build_paper_network(head: str, n_rows: int) -> TurnNetwork:
    """Return an untrained network of the paper with one of HEADS. Raises KeyError for another head."""
    encoder = SymbolEncoder(max(n_rows, 1))
    return TurnNetwork(encoder, HEADS[head](N_SYMBOLS, HEAD_SIZE))


def build_activity_network(n_rows: int, size: int = 64) -> TurnNetwork:
    """Return an untrained LSTM over activities."""
    encoder = ActivityEncoder(n_rows)
    return TurnNetwork(encoder, LstmHead(32, size))
