"""The preset learns what can be learned, keeps to its folds, and serves what it learned."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import orjson
import pytest

from induction.learning.best.classes import N_CLASSES, to_classes
from induction.learning.best.shapes import Scale
from induction.learning.best.stacking import Voices, fit_stack
from induction.learning.best.steps import Steps, count_runs, to_steps
from induction.learning.best.teaching import ask_trees, judge_lessons, to_inner_folds
from induction.learning.best.texts import N_COLUMNS, VOTES, fit_vocabulary
from induction.learning.export import export_graph
from induction.learning.presets import BEST, BEST_RAW_TEXT, find_recipe
from induction.learning.presets.raw_text import RawTextRecipe
from induction.learning.scoring import score_runs
from induction.learning.split import Split
from induction.learning.training import TrainingSettings
from tests.induction.learning.best.conftest import FEW_TREES, Built
from tests.tiny_bundle import Silent, TinyCorpus, chat_run, labelled


def auroc(failed: list[float], succeeded: list[float]) -> float:
    pairs = np.subtract.outer(np.array(failed), np.array(succeeded))
    return float((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def test_it_beats_the_step_index_on_runs_it_never_saw(built: Built) -> None:
    runs = list(score_runs(built.monitor, labelled(built.corpus).runs(lambda _, fold: fold == 0)))
    failed, succeeded = ([run for run in runs if run.success == success] for success in (False, True))

    by_score = auroc(*([float(run.score[-1]) for run in part] for part in (failed, succeeded)))
    by_clock = auroc(*([float(run.last_turn) for run in part] for part in (failed, succeeded)))

    assert by_score > max(by_clock, 0.5) + 0.15


def test_the_bundle_says_which_numbers_it_was_trained_on(built: Built) -> None:
    assert (built.manifest.shape_version, built.manifest.training.preset) == (3, BEST)
    assert built.monitor.manifest == built.manifest


def test_a_run_keeps_one_small_state(built: Built) -> None:
    session = built.monitor.session()
    sizes = {len(session.state.to_bytes())}
    for raw_step in chat_run(random.Random(2), fails=True, turns=60):
        session.step(raw_step)
        sizes.add(len(session.state.to_bytes()))

    assert len(sizes) == 1
    assert max(sizes) <= 4096


def test_batches_score_as_sessions_and_later_steps_change_nothing(built: Built) -> None:
    runs = [chat_run(random.Random(seed), fails=seed % 2 == 0, turns=4) for seed in range(5)]
    alone = []
    for run in runs:
        session = built.monitor.session()
        alone.append([session.step(raw_step) for raw_step in run])
    states = [built.monitor.initial_state() for _ in runs]

    for index in range(min(len(run) for run in runs)):
        results = built.monitor.advance(states, [run[index] for run in runs])
        states = [state for state, _ in results]
        for (_, verdict), session_verdicts in zip(results, alone, strict=True):
            assert verdict.score == pytest.approx(session_verdicts[index].score, abs=1e-5)
            assert verdict.risk == pytest.approx(session_verdicts[index].risk, abs=1e-5)


def test_one_seed_gives_one_network_and_outcomes_of_other_folds_change_nothing(chats: TinyCorpus) -> None:
    corpus, recipe, settings = labelled(chats), FEW_TREES, TrainingSettings(seed=5)
    once = recipe.learn(corpus, Split(0), settings, Silent())
    flipped = chats.outcomes.with_name("flipped.jsonl")
    rows = [orjson.loads(line) for line in chats.outcomes.read_bytes().splitlines()]
    lines = [orjson.dumps({**row, "success": row["success"] ^ (row["fold"] < 2)}) for row in rows]
    flipped.write_bytes(b"\n".join(lines))

    again = recipe.learn(replace(corpus, outcomes=flipped), Split(0), settings, Silent())

    assert export_graph(once.network) == export_graph(again.network)


def test_runs_left_out_of_a_learning_curve_are_left_out(chats: TinyCorpus) -> None:
    corpus = labelled(chats)
    fewer = replace(corpus, among=lambda run: run.run.endswith("1"))

    assert len(count_runs(corpus, lambda *_: True)) == 120
    assert {run.run[-1] for run in count_runs(fewer, lambda *_: True)} == {"1"}


def test_trees_never_see_the_runs_they_judge(steps: Steps) -> None:
    inner = to_inner_folds(steps, 1)
    tasks = np.array([run.task for run in steps.runs])
    assert all(len(set(inner[tasks == task])) == 1 for task in set(tasks))
    flipped = replace(steps, fails=np.where(inner == 0, ~steps.fails, steps.fails))

    given, other = (ask_trees(one, one.shape, inner, 1, n_trees=5) for one in (steps, flipped))

    assert np.array_equal(given[inner[steps.run] == 0], other[inner[steps.run] == 0])
    assert not np.array_equal(given, other)


def test_where_tasks_come_again_words_of_one_task_are_learned_and_tasks_keep_their_names(chats: TinyCorpus) -> None:
    corpus = replace(labelled(chats), split="known")
    runs = count_runs(corpus, Split(0).trains)

    learned = FEW_TREES.learn(corpus, Split(0), TrainingSettings(max_epochs=1), Silent())

    assert learned.network.n_rows > fit_vocabulary(to_steps(runs)).n_rows
    assert learned.tasks == {run.task for run in runs}


def test_the_manifest_tells_the_teachers_average_precision_out_of_fold(built: Built) -> None:
    auprc = built.manifest.training.validation_auprc_h

    assert auprc is not None
    assert 0.2 < auprc < 1.0


def test_teachers_who_know_all_have_an_average_precision_of_one_and_those_who_know_nothing_chance(steps: Steps) -> None:
    truth = np.eye(N_CLASSES, dtype=np.float32)[to_classes(steps.turns_left, steps.fails[steps.run])]
    knowing_all, chance = judge_lessons(steps, truth, 3)
    knowing_nothing, _ = judge_lessons(steps, np.full_like(truth, 1 / N_CLASSES), 3)

    assert knowing_all == pytest.approx(1.0)
    assert knowing_nothing == pytest.approx(chance)
    assert 0.1 < chance < 0.9


def test_the_stack_is_a_logit_of_failing_in_fixed_shares(steps: Steps) -> None:
    rng = np.random.default_rng(0)
    fails = steps.fails[steps.run]
    texts = (fails[:, None] + rng.normal(size=(steps.run.size, N_COLUMNS))).astype(np.float32)
    telling = (100 * (fails + rng.normal(size=steps.run.size))).astype(np.float32)
    numbers = Scale.of(steps.shape).apply(steps.shape)
    weights = rng.normal(size=numbers.shape[1])

    stack = fit_stack(steps, Voices(texts, numbers @ weights, telling), weights)
    logit = texts @ stack.text + numbers @ stack.shape + stack.network * telling + stack.intercept
    rows = np.flatnonzero(steps.closes)

    assert ((stack.text > 0) == (np.array(VOTES) > 0)).all()
    assert stack.network * telling[rows].std() == pytest.approx((texts[rows] @ stack.text).std(), rel=1e-3)
    assert (numbers[rows] @ stack.shape).std() == pytest.approx(0.5 * (texts[rows] @ stack.text).std(), rel=1e-3)
    assert abs((1 / (1 + np.exp(-logit[rows])))[fails[rows]].mean() - 0.5) > 0.1


def test_its_raw_text_control_learns_too(chats: TinyCorpus) -> None:
    assert find_recipe(BEST_RAW_TEXT).head == find_recipe(BEST).head
    recipe = RawTextRecipe(FEW_TREES, preset=BEST_RAW_TEXT)
    corpus = labelled(chats)

    learned = recipe.learn(replace(corpus, spec=recipe.to_spec(corpus.spec)), Split(0), TrainingSettings(), Silent())

    assert learned.network.n_rows == learned.featuriser.n_rows
