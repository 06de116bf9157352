"""Which n-grams a monitor knows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from induction.learning.labelled import LabelledRun
from induction.learning.vocabulary import fit_vocabulary
from monitors.adapter import compile_adapter
from monitors.features.featuriser import NgramFeaturiser
from monitors.features.ngrams import Vocabulary
from monitors.stepview import StepView
from tests.tiny_bundle import tiny_spec

ADAPTER = compile_adapter(tiny_spec())


def runs_saying(texts_of_tasks: dict[str, list[str]]) -> list[LabelledRun]:
    return [
        LabelledRun(task, task, True, 0, [{"role": "user", "content": text} for text in texts])
        for task, texts in texts_of_tasks.items()
    ]


def knows(vocabulary: Vocabulary, word: str) -> bool:
    step = NgramFeaturiser(vocabulary).step(StepView(observation=word), np.zeros(62, np.int64))
    return step.rows.size > 0


def test_a_word_of_enough_tasks_is_known_and_one_of_a_single_task_is_not() -> None:
    texts = {f"task-{number}": ["everywhere", f"only{number}", "few" if number < 2 else "x"] for number in range(40)}

    vocabulary = fit_vocabulary(runs_saying(texts), ADAPTER)

    assert knows(vocabulary, "everywhere")
    assert not knows(vocabulary, "only7")
    assert not knows(vocabulary, "few")


def test_a_word_that_one_task_repeats_is_still_a_word_of_one_task() -> None:
    texts = {f"task-{number}": ["often"] * 50 if number == 0 else ["x"] for number in range(40)}

    assert not knows(fit_vocabulary(runs_saying(texts), ADAPTER), "often")


def test_with_few_tasks_two_are_enough() -> None:
    texts = {f"task-{number}": ["few" if number < 2 else "x"] for number in range(10)}

    assert knows(fit_vocabulary(runs_saying(texts), ADAPTER), "few")


def test_the_most_frequent_are_kept_where_there_are_too_many() -> None:
    texts = {f"task-{number}": ["often", "often", "seldom"] for number in range(5)}

    vocabulary = fit_vocabulary(runs_saying(texts), ADAPTER, max_rows=1)

    assert vocabulary.n_rows == 1
    assert knows(vocabulary, "often")


def test_the_weight_is_the_smoothed_inverse_frequency_over_raw_steps() -> None:
    texts = {"a": ["both", "both", "x"], "b": ["both"]}

    vocabulary = fit_vocabulary(runs_saying(texts), ADAPTER)

    assert vocabulary.idf.tolist() == pytest.approx([math.log(5 / 4) + 1])


def test_the_order_of_the_runs_does_not_matter() -> None:
    runs = runs_saying({f"task-{number}": [f"w{number % 3} w{number % 4}", "all"] for number in range(9)})

    one, other = fit_vocabulary(runs, ADAPTER).to_arrays(), fit_vocabulary(runs[::-1], ADAPTER).to_arrays()

    assert all(np.array_equal(one[name], other[name]) for name in one)
