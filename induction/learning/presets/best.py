"""The `best` preset: what held of some 260 variants, in one small network (docs/decisions/0009)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from induction.learning.best.distilling import EPOCHS, Schedule, distil
from induction.learning.best.shapes import Scale, fit_shape, read_shape
from induction.learning.best.stacking import Voices, fit_stack
from induction.learning.best.steps import count_runs, to_steps
from induction.learning.best.teaching import (
    N_TREES,
    TEXT_COSTS,
    TREE_COSTS,
    Lessons,
    ask_trees,
    judge_lessons,
    read_texts,
    to_inner_folds,
)
from induction.learning.best.texts import (
    MAX_ROWS,
    MAX_ROWS_OF_RUNS,
    N_COLUMNS,
    TABLE_COSTS,
    fit_table,
    fit_vocabulary,
    weigh_steps,
)
from induction.learning.checkpoints import NO_CHECKPOINTS, Checkpoints, Parts
from induction.learning.labelled import LabelledCorpus
from induction.learning.progress import Countdown, Progress
from induction.learning.recipe import Learned
from induction.learning.split import Split
from induction.learning.training import TrainingSettings, check_outcomes, one_thread
from monitors.adapter import AdapterSpec
from monitors.features import shape_v3
from monitors.features.featuriser import NgramFeaturiser


@dataclass(frozen=True, slots=True)
class BestRecipe:
    """Learns timing from trees, outcomes from words and run shape, and serves one network."""

    preset: str = "best"
    head: str = "gru"
    n_trees: int = N_TREES
    """Of the forest; boosting takes rounds in proportion."""

    def to_spec(self, spec: AdapterSpec) -> AdapterSpec:
        """Return the adapter as it is."""
        return spec

    def learn(
        self,
        corpus: LabelledCorpus,
        split: Split,
        settings: TrainingSettings,
        progress: Progress,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
    ) -> Learned:
        """Learn words, then trees, then the network. Raises TooFewRunsError, NoRunsError.

        `validation_auprc` is that of the teachers out of fold on the training runs: they are held out of their own
        teachers, and the network is held out of nothing.
        """
        progress.stage("Reading runs")
        runs = count_runs(corpus, split.trains)
        check_outcomes(runs)
        tasks = frozenset(run.task for run in runs)
        known = corpus.split == "known"
        if known:
            # Tasks come again, so words that only one of them has are worth learning, and its other runs teach: what is
            # held out inside the training runs is a run, as it is outside.
            runs = [replace(run, task=run.run) for run in runs]
        with one_thread():
            steps = to_steps(runs)
            progress.stage("Learning words")
            vocabulary = fit_vocabulary(steps, max_rows=MAX_ROWS_OF_RUNS if known else MAX_ROWS)
            bags, field_of_row = weigh_steps(steps, vocabulary)
            inner = to_inner_folds(steps, settings.seed)
            words = Parts("words", checkpoints, Countdown(progress, TEXT_COSTS))
            texts = read_texts(steps, bags, field_of_row, inner, words)
            progress.stage("Asking trees")
            features = np.concatenate([steps.shape, texts], 1)
            trees = Parts("trees", checkpoints, Countdown(progress, TREE_COSTS))
            classes = ask_trees(
                steps, features, inner, settings.seed, horizon=settings.horizon, n_trees=self.n_trees, remember=trees
            )
            lessons = Lessons(features, classes)
            auprc, chance = judge_lessons(steps, classes, settings.horizon)
            progress.note(
                f"the trees' AUPRC of the risk, out of fold on training runs: {auprc:.3f} (chance {chance:.3f})"
            )
            progress.stage("Training the network")
            epochs = min(EPOCHS, settings.max_epochs)
            schedule = Schedule(settings.seed, settings.horizon, epochs, device=settings.device)
            network = distil(steps, lessons, schedule, progress.epoch, checkpoints)
            progress.stage("Learning words from all runs")
            whole = Parts("words-all", checkpoints, Countdown(progress, TABLE_COSTS))
            table = fit_table(steps, bags, field_of_row, np.ones(len(runs), np.bool_), whole)
            # Served with the most frequent rows first: what most raw steps read then fits a processor's small cache.
            order = np.argsort(vocabulary.idf, kind="stable")
            network.set_table(table[order])
            fails = lessons.classes @ network.members[:, 1].numpy()
            logit = np.log(fails + 1e-3) - np.log(1.0 - fails + 1e-3)
            numbers = Scale.of(features).apply(features)[:, : network.n_shape]
            voices = Voices(texts[:, 3 * N_COLUMNS :], read_shape(steps, numbers, inner), logit)
            network.set_stack(fit_stack(steps, voices, fit_shape(steps, numbers, np.ones(len(runs), np.bool_))))
        return Learned(
            network,
            NgramFeaturiser(vocabulary.take(order), shape_version=shape_v3.VERSION),
            runs=len(runs),
            failures=int(steps.fails.sum()),
            tasks=tasks,
            epochs=schedule.epochs,
            validation_auprc=auprc,
        )
