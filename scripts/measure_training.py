"""How fast the paper's networks train, in turns times epochs a second on one thread, and how much memory it takes.

    python scripts/measure_training.py RAW --adapter ADAPTER.json [--outcomes runs.jsonl] [--head gru]

Wall time and processor time of each epoch, medians; VmHWM of this process after reading, featurising and training.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from induction.learning.labelled import LabelledCorpus
from induction.learning.paper.batches import iter_turn_batches
from induction.learning.paper.network import HEADS, build_paper_network
from induction.learning.paper.training import BATCH_SIZES, LEARNING_RATE, WEIGHT_DECAY, training_loss
from induction.learning.paper.turns import TurnStore, store_turns
from induction.learning.paper.vocabulary import fit_tfidf, turn_texts
from monitors.adapter import compile_adapter, read_spec
from monitors.features.tfidf import TfidfFeaturiser


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--outcomes", type=Path)
    parser.add_argument("--head", choices=sorted(HEADS), default="gru")
    parser.add_argument("--epochs", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    spec = read_spec(given.adapter)
    corpus, adapter = LabelledCorpus(given.raw, spec, given.outcomes), compile_adapter(spec)
    with TurnStore() as store:
        started = time.perf_counter()
        featuriser = TfidfFeaturiser(fit_tfidf(turn_texts(corpus.runs(), adapter)))
        store_turns(corpus.runs(), adapter, featuriser, store, open_turns=False)
        points, rows = sum(run.n_points for run in store.runs), sum(run.n_rows for run in store.runs)
        print(f"{len(store.runs)} runs, {points} turns of {rows / points:.0f} n-grams", end="; ")
        print(f"read twice and featurised in {time.perf_counter() - started:.1f} s; VmHWM {_peak_mb()} MB")
        for batch_size in BATCH_SIZES:
            wall, processor = _epoch_seconds(store, given.head, featuriser.n_rows, batch_size, given.epochs)
            print(
                f"{given.head}, batches of {batch_size}: {points / wall:,.0f} turn-epochs/s by the clock, "
                f"{points / processor:,.0f} by processor time; VmHWM {_peak_mb()} MB"
            )


def _epoch_seconds(store: TurnStore, head: str, n_rows: int, batch_size: int, epochs: int) -> tuple[float, float]:
    torch.manual_seed(0)
    network, rng = build_paper_network(head, n_rows), np.random.default_rng(0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    wall, processor = [], []
    for _ in range(epochs + 1):
        clock, work = time.perf_counter(), time.process_time()
        for batch in iter_turn_batches(store, store.runs, batch_size, 3, rng):
            optimiser.zero_grad(set_to_none=True)
            training_loss(network, batch).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        wall.append(time.perf_counter() - clock)
        processor.append(time.process_time() - work)
    # The first epoch compiles.
    return statistics.median(wall[1:]), statistics.median(processor[1:])


def _peak_mb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


if __name__ == "__main__":
    main()
