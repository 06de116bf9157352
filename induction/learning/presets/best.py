"""The `best` preset: what held of some 260 variants, in one small network (docs/decisions/0009)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from induction.learning.best.distilling import EPOCHS, Schedule, distil
from induction.learning.best.stacking import fit_stack
from induction.learning.best.steps import count_runs, to_steps
from induction.learning.best.teaching import N_TREES, Lessons, ask_trees, read_texts, to_inner_folds
from induction.learning.best.texts import N_COLUMNS, fit_table, fit_vocabulary, weigh_steps
from induction.learning.labelled import LabelledCorpus
from induction.learning.recipe import Learned, Progress
from induction.learning.split import Split
from induction.learning.training import TrainingSettings, check_outcomes, one_thread
from monitors.adapter import AdapterSpec
from monitors.features.featuriser import NgramFeaturiser


@dataclass(frozen=True, slots=True)
class BestRecipe:
    """Learns timing from trees, outcomes from words, and serves one network."""

    preset: str = "best"
    head: str = "gru"
    n_trees: int = N_TREES
    """Of the forest; boosting takes rounds in proportion."""

    def to_spec(self, spec: AdapterSpec) -> AdapterSpec:
        """Return the adapter as it is."""
        return spec

    def learn(self, corpus: LabelledCorpus, split: Split, settings: TrainingSettings, progress: Progress) -> Learned:
        """Learn words, then trees, then the network. Raises TooFewRunsError, NoRunsError."""
        progress.stage("Reading runs")
        runs = count_runs(corpus, split.trains)
        check_outcomes(runs)
        with one_thread():
            steps = to_steps(runs)
            progress.stage("Learning words")
            vocabulary = fit_vocabulary(steps)
            bags, field_of_row = weigh_steps(steps, vocabulary)
            inner = to_inner_folds(steps, settings.seed)
            texts = read_texts(steps, bags, field_of_row, inner)
            progress.stage("Asking trees")
            features = np.concatenate([steps.shape, texts], 1)
            lessons = Lessons(
                features,
                ask_trees(steps, features, inner, settings.seed, horizon=settings.horizon, n_trees=self.n_trees),
            )
            progress.stage("Training the network")
            schedule = Schedule(settings.seed, settings.horizon, epochs=min(EPOCHS, settings.max_epochs))
            network = distil(steps, lessons, schedule, progress.epoch)
            fails = lessons.classes @ network.members[:, 1].numpy()
            logit = np.log(fails + 1e-3) - np.log(1.0 - fails + 1e-3)
            tasks = frozenset(run.task for run in runs)
            stack = fit_stack(steps, texts[:, 3 * N_COLUMNS :], logit)
            table = fit_table(steps, bags, field_of_row, np.ones(len(runs), np.bool_))
            # Served with the most frequent rows first: what most raw steps read then fits a processor's small cache.
            order = np.argsort(vocabulary.idf, kind="stable")
            network.set_table(table[order])
            network.set_stack(stack.network, stack.text, stack.intercept)
        return Learned(
            network,
            NgramFeaturiser(vocabulary.take(order), shape_version=2),
            runs=len(runs),
            failures=int(steps.fails.sum()),
            tasks=tasks,
            epochs=schedule.epochs,
            validation_auprc=None,
        )
