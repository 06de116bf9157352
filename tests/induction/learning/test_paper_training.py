"""The paper's networks learn, are chosen inside the training runs, and come out the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from induction.errors import TooFewRunsError
from induction.learning.building import BundleSettings, build_bundle
from induction.learning.paper.batches import iter_turn_batches, to_turn_batch
from induction.learning.paper.network import build_paper_network
from induction.learning.paper.training import PaperSettings, fit_network, split_inner, training_loss, turn_auprc
from induction.learning.paper.turns import RunTurns, TurnStore, store_turns
from induction.learning.presets import find_recipe
from induction.learning.training import TrainingSettings
from monitors import Monitor
from monitors.adapter import compile_adapter
from monitors.features.activity import ActivityFeaturiser
from tests.induction.learning.paper_runs import ROWS, random_turns, store_of
from tests.tiny_bundle import Silent, labelled, tiny_spec, write_corpus


def telling_store(n_runs: int = 60) -> TurnStore:
    """Runs whose failing half says row 1 in every turn, the others row 2."""
    parts, successes = [], []
    for number in range(n_runs):
        length = 6 + number % 3
        row = 1 + number % 2
        numbers = np.arange(1, length + 1, dtype=np.int32)
        parts.append(
            RunTurns(
                offsets=np.arange(length + 1, dtype=np.int32),
                turns=numbers,
                actions=np.ones(length, np.int32),
                groups=numbers - 1,
                rows=np.full(length, row, np.uint16),
                weights=np.ones(length, np.float32),
            )
        )
        successes.append(row == 2)
    return store_of(parts, successes)


def test_a_network_learns_what_tells_failures() -> None:
    with telling_store() as store:
        fitted = fit_network(store, lambda: build_paper_network("gru", ROWS), PaperSettings(batch_sizes=(8,)))

        prevalence = 4 / 7
        assert turn_auprc(fitted.network, store, store.runs, 3) > prevalence * 0.5 + 0.2
        assert fitted.validation_auprc > 0.5


def test_the_same_seed_gives_the_same_weights() -> None:
    settings = PaperSettings(epochs=2, batch_sizes=(8,))
    with telling_store() as store:
        one, other = (fit_network(store, lambda: build_paper_network("gru", ROWS), settings).network for _ in range(2))

    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right)


def test_too_few_runs_are_refused() -> None:
    with telling_store(12) as store, pytest.raises(TooFewRunsError, match="10 failed and 10 successful"):
        fit_network(store, lambda: build_paper_network("flat", ROWS), PaperSettings())


def test_inner_folds_hold_out_whole_tasks_once_each() -> None:
    with telling_store() as store:
        parts = split_inner(store.runs, 3, 13)

        tasks = [{run.task for run in part} for part in parts]
        assert sum(map(len, parts)) == len(store.runs)
        assert len(set.union(*tasks)) == sum(map(len, tasks))


def test_turns_of_a_group_share_its_label() -> None:
    run = random_turns([1, 2, 3], 1)
    with store_of([run]) as store:
        batch = to_turn_batch(store.runs, [store.read(store.runs[0])], 3)

    # T = 6, y = 1 from turn 3 on: turn 1; turns 2 and 3; turns 4, 5 and 6.
    assert batch.label.tolist() == [[0.0, 0.5, 1.0]]
    assert batch.turns.tolist() == [[1, 2, 3]]
    assert batch.weight[0].tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6])


def test_every_run_is_in_one_batch_an_epoch() -> None:
    parts = [random_turns([1] * (1 + number % 5), number) for number in range(23)]
    with store_of(parts) as store:
        batches = list(iter_turn_batches(store, store.runs, 4, 3, np.random.default_rng(1)))

    assert sum(int(batch.valid.sum()) for batch in batches) == sum(part.turns.size for part in parts)
    assert sum(batch.valid.shape[0] for batch in batches) == 23


def test_long_runs_weigh_no_more_than_short_ones() -> None:
    with store_of([random_turns([1] * 3, 1), random_turns([1] * 30, 2)]) as store:
        batch = to_turn_batch(store.runs, [store.read(run) for run in store.runs], 3)

    assert batch.weight.sum(1).tolist() == pytest.approx([1.0, 1.0])


def test_the_sparse_layer_has_the_gradient_of_a_dense_one() -> None:
    network = build_paper_network("gru", ROWS)
    torch.manual_seed(1)
    with store_of([random_turns([1] * 4, 1), random_turns([1] * 7, 2)], [True, False]) as store:
        batch = to_turn_batch(store.runs, [store.read(run) for run in store.runs], 3)
    network.eval()
    training_loss(network, batch).backward()
    layer = network.encoder.widening
    found = layer.weight.grad.clone()
    dense = torch.zeros(len(batch.offsets) - 1, ROWS)
    for index in range(len(dense)):
        part = slice(int(batch.offsets[index]), int(batch.offsets[index + 1]))
        dense[index].index_add_(0, batch.rows[part], batch.weights[part])
    network.zero_grad()
    layer.forward = lambda *_: dense @ layer.weight + layer.bias
    training_loss(network, batch).backward()

    assert torch.allclose(found, layer.weight.grad, atol=1e-6)


def test_activities_are_stored_a_row_a_turn(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, n_runs=6, n_tasks=3)
    featuriser = ActivityFeaturiser(["find_user", "refund"])
    with TurnStore() as store:
        store_turns(labelled(corpus).runs(), compile_adapter(tiny_spec()), featuriser, store, open_turns=False)
        turns = store.read(store.runs[0])

    assert turns.rows.size == turns.turns.size
    assert set(turns.rows.tolist()) <= {0, 1, 2}


def test_open_turns_can_be_stored_too(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, n_runs=6, n_tasks=3)
    sizes = {}
    for open_turns in (False, True):
        with TurnStore() as store:
            store_turns(
                labelled(corpus).runs(), compile_adapter(tiny_spec()), ActivityFeaturiser([]), store,
                open_turns=open_turns,
            )  # fmt: skip
            sizes[open_turns] = sum(run.n_points for run in store.runs)

    assert sizes[True] > sizes[False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "head"),
    [("paper", "gru"), ("paper", "transformer"), ("paper-raw-text", "fsm"), ("activity-lstm", None)],
)
def test_a_preset_makes_a_bundle_that_scores(tmp_path: Path, preset: str, head: str | None) -> None:
    corpus = write_corpus(tmp_path / "corpus", n_runs=90, n_tasks=40)
    settings = BundleSettings(TrainingSettings(max_epochs=2), find_recipe(preset, head), alpha=0.25)
    manifest = build_bundle(labelled(corpus), settings, tmp_path / "bundle", Silent())
    session = Monitor.read(tmp_path / "bundle", device="cpu").session()

    verdicts = [session.step(step) for step in corpus.runs[0]]

    assert manifest.training.preset == preset
    assert all(0 <= verdict.risk <= 1 and 0 <= verdict.symbol < manifest.n_symbols for verdict in verdicts)
    assert len({verdict.score for verdict in verdicts}) > 2
