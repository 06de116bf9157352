"""Whole runs in training and single raw steps online are one recurrence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from induction.learning.batches import to_run_batch
from induction.learning.corpus import FeaturedRun
from induction.learning.network import MonitorNetwork, NetworkSize
from monitors.features.shape import N_SHAPE

ROWS = 20


def random_run(opens: list[bool], seed: int, success: bool = False) -> FeaturedRun:
    """Return a run of random numbers whose turns open where told; a raw step may hold no row at all."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, len(opens))
    offsets = np.concatenate([[0], counts.cumsum()]).astype(np.int64)
    jumps = np.array(opens, np.int32) * rng.integers(1, 4, len(opens))
    return FeaturedRun(
        run=f"run-{seed}",
        task=f"task-{seed}",
        success=success,
        rows=rng.integers(0, ROWS, offsets[-1]).astype(np.int32),
        weights=rng.random(offsets[-1]).astype(np.float32),
        offsets=offsets,
        shape=rng.normal(scale=3, size=(len(opens), N_SHAPE)).astype(np.float32),
        opens=np.array(opens, np.bool_),
        turns=jumps.cumsum().astype(np.int32),
    )


def random_network(seed: int = 0) -> MonitorNetwork:
    torch.manual_seed(seed)
    network = MonitorNetwork(NetworkSize(n_rows=ROWS, embedding=5, hidden=7, n_symbols=4))
    network.fit_shape_scale(torch.randn(40, N_SHAPE) * 2 + 1)
    return network.eval()


@torch.no_grad()
def step_by_step(network: MonitorNetwork, run: FeaturedRun) -> list[tuple[float, float, int]]:
    state, found = torch.zeros(1, network.state_size), []
    for index in range(run.n_steps):
        part = slice(int(run.offsets[index]), int(run.offsets[index + 1]))
        risk, failure, symbol, state = network.step(
            torch.from_numpy(run.rows[None, part].astype(np.int64)),
            torch.from_numpy(run.weights[None, part]),
            torch.zeros(1, 1, dtype=torch.int64),
            torch.from_numpy(run.shape[None, index]),
            torch.tensor([float(run.opens[index])]),
            state,
        )
        found.append((float(risk), float(failure), int(symbol)))
    return found


PATTERNS = st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=5)


@given(PATTERNS, st.integers(0, 100))
@settings(max_examples=40)
def test_whole_runs_in_a_padded_batch_score_as_raw_steps_one_by_one(patterns: list[list[bool]], seed: int) -> None:
    network = random_network(seed)
    runs = [random_run(opens, seed + number) for number, opens in enumerate(patterns)]

    with torch.no_grad():
        whole = network(to_run_batch(runs, 3))
        for place, run in enumerate(runs):
            for index, (risk, failure, symbol) in enumerate(step_by_step(network, run)):
                assert float(whole.risk[place, index]) == pytest.approx(risk, abs=1e-5)
                assert float(whole.failure[place, index]) == pytest.approx(failure, abs=1e-5)
                assert int(whole.symbols[place, index].argmax()) == symbol


def test_real_runs_score_the_same_both_ways(featured: tuple[list[FeaturedRun], int]) -> None:
    runs, n_rows = featured
    torch.manual_seed(1)
    network = MonitorNetwork(NetworkSize(n_rows=n_rows)).eval()

    with torch.no_grad():
        whole = network(to_run_batch(runs[:12], 3))
        for place, run in enumerate(runs[:12]):
            for index, (risk, failure, _) in enumerate(step_by_step(network, run)):
                assert float(whole.risk[place, index]) == pytest.approx(risk, abs=1e-5)
                assert float(whole.failure[place, index]) == pytest.approx(failure, abs=1e-5)


def test_a_score_in_the_middle_of_a_turn_differs_from_that_at_its_end() -> None:
    network = random_network()

    scores = step_by_step(network, random_run([True, False, False, True], seed=1))

    assert len({risk for risk, _, _ in scores}) == 4


def test_the_symbol_alone_feeds_the_audit_and_never_the_served_scores_by_it() -> None:
    network, run = random_network(), random_run([True, False, True], seed=2)
    before = step_by_step(network, run)

    with torch.no_grad():
        network.audit.weight.fill_(9.0)

    assert step_by_step(network, run) == before


def test_training_noise_is_off_once_the_network_is_to_be_served() -> None:
    network, batch = random_network(), to_run_batch([random_run([True] * 5, seed=1)], 3)

    with torch.no_grad():
        assert torch.equal(network(batch).risk, network(batch).risk)
        network.train()
        assert not torch.equal(network(batch).risk, network(batch).risk)


def test_the_default_state_fits_in_four_kilobytes() -> None:
    assert MonitorNetwork(NetworkSize(n_rows=10)).state_size * 4 <= 4096
