"""Linear models of words are learned on the weights that are served."""

from __future__ import annotations

import numpy as np
from scipy.optimize import check_grad

from induction.learning.best.steps import Steps
from induction.learning.best.texts import (
    COLUMNS,
    N_COLUMNS,
    _PrefixMean,
    fit_table,
    fit_vocabulary,
    to_text_features,
    weigh_steps,
)
from monitors.adapter import compile_adapter
from monitors.features.featuriser import NgramFeaturiser
from tests.tiny_bundle import TinyCorpus, tiny_spec


def test_weights_are_those_of_the_featuriser(chats: TinyCorpus, steps: Steps) -> None:
    vocabulary = fit_vocabulary(steps)
    bags, _ = weigh_steps(steps, vocabulary)
    adapter, featuriser = compile_adapter(tiny_spec()), NgramFeaturiser(vocabulary, shape_version=3)
    # Runs of a task stand one after the other, in the order of `chats.runs`; the first kept run is of task 2.
    raw_steps = chats.runs[2 * 3]
    memory = featuriser.initial_memory()

    for place, raw_step in enumerate(raw_steps):
        online = featuriser.step(adapter.view(raw_step)[0], memory)
        memory = online.memory
        offline = bags[[place]].toarray()[0]
        served = np.zeros_like(offline)
        np.add.at(served, online.rows, online.weights)
        assert np.allclose(offline, served, atol=1e-6)
        assert np.array_equal(steps.shape[place], online.shape)


def test_the_gradient_of_a_prefix_mean_is_its_transpose() -> None:
    mean = _PrefixMean(np.array([0, 0, 0, 3, 3, 5]), np.array([0, 1, 2, 0, 1, 0]))
    weight = np.array([1.0, -2.0, 0.5, 3.0, 1.5, -1.0])

    assert mean.of(np.array([1.0, 3.0, 5.0, 2.0, 4.0, 7.0])).tolist() == [1, 2, 3, 2, 3, 7]
    assert check_grad(lambda score: weight @ mean.of(score), lambda _: mean.back(weight), np.ones(6)) < 1e-6


def test_tables_tell_failures_from_successes_on_runs_they_never_saw(steps: Steps) -> None:
    bags, field_of_row = weigh_steps(steps, fit_vocabulary(steps))
    train = np.arange(len(steps.runs)) % 3 > 0
    table = fit_table(steps, bags, field_of_row, train)
    mean = to_text_features(steps, bags @ table)[:, 3 * N_COLUMNS]
    last = steps.starts[1:] - 1
    held = ~train
    fails, score = steps.fails[held], mean[last][held]

    assert (score[fails][:, None] > score[~fails][None, :]).mean() > 0.7


def test_a_column_knows_only_its_fields(steps: Steps) -> None:
    bags, field_of_row = weigh_steps(steps, fit_vocabulary(steps))
    table = fit_table(steps, bags, field_of_row, np.ones(len(steps.runs), np.bool_))
    place = next(place for place, column in enumerate(COLUMNS) if column.name == "failure by actions")

    assert not table[np.isin(field_of_row, [0, 4]), place].any()
    assert table[np.isin(field_of_row, [1, 2, 3]), place].any()
