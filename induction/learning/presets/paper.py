"""The `paper` preset: the published monitor and its settings; and the activity LSTM that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from induction.learning.checkpoints import NO_CHECKPOINTS, Checkpoints
from induction.learning.labelled import LabelledCorpus, LabelledRun
from induction.learning.paper.network import TurnNetwork, build_activity_network, build_paper_network
from induction.learning.paper.training import EPOCHS, PaperSettings, fit_network
from induction.learning.paper.turns import TurnStore, store_turns
from induction.learning.paper.vocabulary import fit_activities, fit_tfidf, name_ngrams, turn_texts
from induction.learning.progress import Progress
from induction.learning.recipe import Learned
from induction.learning.split import Split
from induction.learning.training import TrainingSettings
from monitors.adapter import Adapter, AdapterSpec, compile_adapter
from monitors.features.activity import ActivityFeaturiser
from monitors.features.protocol import Featuriser
from monitors.features.tfidf import TfidfFeaturiser

Runs = Callable[[], Iterable[LabelledRun]]


@dataclass(frozen=True, slots=True)
class PaperRecipe:
    """TF-IDF of turns → event symbols → one of four heads, trained as published."""

    head: str
    preset: str = "paper"

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
        """Learn the vocabulary, then the network. Raises TooFewRunsError, NoRunsError."""
        return _learn(corpus, split, settings, progress, checkpoints, self._featuriser, self._network)

    def _featuriser(self, runs: Runs, adapter: Adapter) -> Featuriser:
        vocabulary = fit_tfidf(turn_texts(runs(), adapter))
        return TfidfFeaturiser(name_ngrams(vocabulary, turn_texts(runs(), adapter)))

    def _network(self, n_rows: int) -> TurnNetwork:
        return build_paper_network(self.head, n_rows)


@dataclass(frozen=True, slots=True)
class ActivityRecipe:
    """LSTM over the tools that the agent calls, and nothing else: predictive process monitoring's baseline."""

    head: str = "lstm"
    preset: str = "activity-lstm"

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
        """Learn the activities, then the network. Raises TooFewRunsError, NoRunsError."""
        return _learn(corpus, split, settings, progress, checkpoints, self._featuriser, build_activity_network)

    def _featuriser(self, runs: Runs, adapter: Adapter) -> Featuriser:
        return ActivityFeaturiser(fit_activities(runs(), adapter))


def _learn(
    corpus: LabelledCorpus,
    split: Split,
    settings: TrainingSettings,
    progress: Progress,
    checkpoints: Checkpoints,
    make_featuriser: Callable[[Runs, Adapter], Featuriser],
    make_network: Callable[[int], TurnNetwork],
) -> Learned:
    adapter = compile_adapter(corpus.spec)

    def runs() -> Iterable[LabelledRun]:
        return corpus.runs(split.trains)

    progress.stage("Reading runs and choosing what to know")
    featuriser = make_featuriser(runs, adapter)
    progress.stage("Turning turns into features")
    with TurnStore() as store:
        store_turns(runs(), adapter, featuriser, store, open_turns=False)
        # Published are 24 epochs; a caller who asks for fewer gets fewer.
        paper = PaperSettings(settings.horizon, settings.seed, min(EPOCHS, settings.max_epochs), device=settings.device)
        fitted = fit_network(store, lambda: make_network(featuriser.n_rows), paper, progress, checkpoints)
        return Learned(
            fitted.network,
            featuriser,
            runs=len(store.runs),
            failures=sum(not run.success for run in store.runs),
            tasks=frozenset(run.task for run in store.runs),
            epochs=fitted.epochs,
            validation_auprc=fitted.validation_auprc,
        )
