"""The default preset: hashed n-grams and run-shape numbers into one GRU trained end to end."""

from __future__ import annotations

from dataclasses import dataclass

from induction.learning.checkpoints import NO_CHECKPOINTS, Checkpoints
from induction.learning.corpus import featurise_runs
from induction.learning.labelled import LabelledCorpus
from induction.learning.progress import Progress
from induction.learning.recipe import Learned
from induction.learning.split import Split
from induction.learning.training import TrainingSettings, train_network
from induction.learning.vocabulary import fit_vocabulary
from monitors.adapter import AdapterSpec, compile_adapter
from monitors.features.featuriser import NgramFeaturiser


@dataclass(frozen=True, slots=True)
class DefaultRecipe:
    """Learns from StepViews as the adapter gives them."""

    preset: str = "default"
    head: str = "gru"

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
        """Learn n-grams, then the network. Raises TooFewRunsError, NoRunsError."""
        adapter = compile_adapter(corpus.spec)
        progress.stage("Reading runs and choosing n-grams")
        vocabulary = fit_vocabulary(corpus.runs(split.trains), adapter)
        progress.stage("Turning raw steps into features")
        featuriser = NgramFeaturiser(vocabulary)
        runs = list(featurise_runs(corpus.runs(split.trains), adapter, featuriser))
        progress.stage("Training")
        trained = train_network(runs, vocabulary.n_rows, settings, progress.epoch, checkpoints)
        return Learned(
            trained.network,
            featuriser,
            runs=len(runs),
            failures=sum(not run.success for run in runs),
            tasks=frozenset(run.task for run in runs),
            epochs=trained.epochs,
            validation_auprc=trained.validation_auprc,
        )
