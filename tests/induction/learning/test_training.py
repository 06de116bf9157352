"""Training: deterministic, whole tasks apart, the best epoch kept, a signal found where there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from induction.errors import TooFewRunsError
from induction.learning.batches import to_run_batch
from induction.learning.corpus import FeaturedRun
from induction.learning.network import MonitorNetwork
from induction.learning.training import TrainingSettings, check_outcomes, split_by_task, train_network
from tests.induction.learning.conftest import featurise
from tests.induction.learning.test_network import random_run
from tests.tiny_bundle import write_corpus

Featured = tuple[list[FeaturedRun], int]


def weights_of(network: MonitorNetwork) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in network.state_dict().items()}


def served_loss(network: MonitorNetwork, runs: list[FeaturedRun], horizon: int) -> float:
    """Mean over runs of the mean over raw steps of both served losses, one run at a time."""
    losses = []
    with torch.no_grad():
        for run in runs:
            batch = to_run_batch([run], horizon)
            logits = network(batch)
            risk = functional.binary_cross_entropy_with_logits(logits.risk, batch.risk)
            failure = functional.binary_cross_entropy_with_logits(logits.failure, batch.failure)
            losses.append(float(risk + failure))
    return float(np.mean(losses))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(featured: Featured) -> None:
    runs, n_rows = featured

    one, same, other = (
        weights_of(train_network(runs, n_rows, TrainingSettings(seed=seed, max_epochs=2)).network) for seed in (5, 5, 6)
    )

    assert one == same
    assert one != other


def test_the_network_of_the_best_epoch_is_kept(featured: Featured) -> None:
    runs, n_rows = featured
    settings = TrainingSettings(seed=5, max_epochs=14, patience=3, learning_rate=0.03)

    trained = train_network(runs, n_rows, settings)

    losses = [report.validation_loss for report in trained.history]
    _, held_out = split_by_task(runs, settings.validation_share, settings.seed)
    assert trained.epochs == int(np.argmin(losses)) + 1
    assert trained.epochs < len(losses) == trained.epochs + settings.patience
    assert served_loss(trained.network, held_out, settings.horizon) == pytest.approx(min(losses), abs=1e-5)


def test_a_finished_network_is_ready_to_serve(featured: Featured) -> None:
    runs, n_rows = featured

    trained = train_network(runs, n_rows, TrainingSettings(max_epochs=1))

    assert not trained.network.training


def test_each_epoch_is_reported_once(featured: Featured) -> None:
    runs, n_rows = featured
    heard: list[int] = []

    trained = train_network(runs, n_rows, TrainingSettings(max_epochs=3), lambda report: heard.append(report.epoch))

    assert heard == [1, 2, 3] == [report.epoch for report in trained.history]


@pytest.mark.parametrize(("failed", "succeeded"), [(9, 30), (30, 9), (0, 30), (0, 0)])
def test_too_few_runs_of_an_outcome_are_refused_with_their_numbers(failed: int, succeeded: int) -> None:
    runs = [random_run([True], seed, success=seed >= failed) for seed in range(failed + succeeded)]

    with pytest.raises(TooFewRunsError, match=f"{failed} failed and {succeeded} successful"):
        check_outcomes(runs)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40), st.integers(0, 5))
def test_held_out_tasks_are_whole_and_both_sides_have_both_outcomes(places: list[tuple[int, bool]], seed: int) -> None:
    runs = [replace(random_run([True], 0, success), task=f"task-{task}") for task, success in places]
    try:
        rest, held_out = split_by_task(runs, 0.15, seed)
    except TooFewRunsError:
        return

    assert not {run.task for run in rest} & {run.task for run in held_out}
    assert len(rest) + len(held_out) == len(runs)
    assert {run.success for run in rest} == {run.success for run in held_out} == {True, False}


def test_too_few_tasks_to_hold_some_out_are_refused() -> None:
    runs = [replace(random_run([True], 0, success), task="only") for success in (True, False)]

    with pytest.raises(TooFewRunsError, match="1 tasks are too few"):
        split_by_task(runs, 0.15, 0)


def test_the_order_of_the_files_does_not_move_the_split(featured: Featured) -> None:
    runs, _ = featured

    _, forwards = split_by_task(runs, 0.15, 13)
    _, backwards = split_by_task(runs[::-1], 0.15, 13)

    assert {run.run for run in forwards} == {run.run for run in backwards}


def auroc_on_new_tasks(folder: Path, *, signal: bool) -> float:
    runs, n_rows = featurise(write_corpus(folder, n_runs=360, n_tasks=90, seed=11, signal=signal))
    known = [run for run in runs if int(run.task.removeprefix("task-")) % 2]
    new = [run for run in runs if not int(run.task.removeprefix("task-")) % 2]
    network = train_network(known, n_rows, TrainingSettings(max_epochs=8)).network
    with torch.no_grad():
        scores = [float(network(to_run_batch([run], 3)).failure[0, -1]) for run in new]
    return float(roc_auc_score([not run.success for run in new], scores))


@pytest.mark.slow
def test_a_planted_signal_is_found_on_new_tasks(tmp_path: Path) -> None:
    assert auroc_on_new_tasks(tmp_path, signal=True) > 0.9


@pytest.mark.slow
def test_outcomes_without_a_signal_are_told_apart_no_better_than_by_a_coin(tmp_path: Path) -> None:
    assert 0.36 < auroc_on_new_tasks(tmp_path, signal=False) < 0.64
