"""What a preset is to the rest: a way to read raw steps and to learn a network of one step from finished runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from induction.learning.checkpoints import NO_CHECKPOINTS, Checkpoints
from induction.learning.labelled import LabelledCorpus
from induction.learning.progress import Progress
from induction.learning.split import Split
from induction.learning.step_network import StepNetwork
from induction.learning.training import TrainingSettings
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
    """Average precision of the h-turn risk on training tasks that were held out of the network, or of what taught it;
    None if none were.
    """


class Recipe(Protocol):
    """One preset with one head. Its repr tells all that it learns by: checkpoints are known by it."""

    @property
    def preset(self) -> str:
        """Its name."""

    @property
    def head(self) -> str:
        """The recurrence of its network."""

    def to_spec(self, spec: AdapterSpec) -> AdapterSpec:
        """Return the adapter that this preset reads with, made of the corpus's own."""

    def learn(
        self,
        corpus: LabelledCorpus,
        split: Split,
        settings: TrainingSettings,
        progress: Progress,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
    ) -> Learned:
        """Learn from the runs that `split.trains`; of the others nothing is read. Deterministic on CPU for a seed, and
        the same whatever part of it the checkpoints remember; on CUDA bytes may differ. The network is on the CPU.

        Raises TooFewRunsError, NoRunsError.
        """
