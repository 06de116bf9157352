"""What a preset is to the rest: a way to read raw steps and to learn a network of one step from finished runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from induction.learning.labelled import LabelledCorpus
from induction.learning.split import Split
from induction.learning.step_network import StepNetwork
from induction.learning.training import EpochReport, TrainingSettings
from monitors.adapter import AdapterSpec
from monitors.features.protocol import Featuriser


@dataclass(frozen=True, slots=True)
class Learned:
    """What learning gives: the network, how its inputs are made, and what it was made of."""

    network: StepNetwork
    featuriser: Featuriser
    runs: int
    failures: int
    tasks: frozenset[str]
    epochs: int
    validation_auprc: float | None
    """Average precision of the h-turn risk on the training tasks that were held out; None if none were."""


class Progress(Protocol):
    """Hears how the work goes."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def epoch(self, report: EpochReport) -> None:
        """An epoch of training is over."""


class Recipe(Protocol):
    """One preset with one head."""

    @property
    def preset(self) -> str:
        """Its name."""

    @property
    def head(self) -> str:
        """The recurrence of its network."""

    def to_spec(self, spec: AdapterSpec) -> AdapterSpec:
        """Return the adapter that this preset reads with, made of the corpus's own."""

    def learn(self, corpus: LabelledCorpus, split: Split, settings: TrainingSettings, progress: Progress) -> Learned:
        """Learn from the runs that `split.trains`; of the others nothing is read. Deterministic on CPU for a seed.

        Raises TooFewRunsError, NoRunsError.
        """
