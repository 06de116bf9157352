"""The demo's offline half: help-desk runs → adapter → bundle. Run over many seeds, it also checks the promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from induction.adapters.inducing import Induction, induce_adapter
from induction.helpdesk import write_corpus
from induction.learning.building import BundleSettings, build_bundle
from induction.learning.labelled import LabelledCorpus
from induction.learning.progress import Progress
from induction.learning.training import TrainingSettings
from monitors.adapter import write_spec
from monitors.bundle import Manifest

HELD_OUT_FOLD = 0
ALPHA = 0.1


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """Where the demo keeps what it makes."""

    folder: Path
    form: str
    """Raw form of the runs: chat, otlp or react."""

    @property
    def raw(self) -> Path:
        """The raw runs."""
        return self.folder / "helpdesk" / self.form / "raw"

    @property
    def outcomes(self) -> Path:
        """Their outcomes."""
        return self.folder / "helpdesk" / self.form / "runs.jsonl"

    @property
    def adapter(self) -> Path:
        """The induced adapter."""
        return self.folder / "adapter.json"

    @property
    def bundle(self) -> Path:
        """The trained monitor."""
        return self.folder / "bundle"


def make_runs(files: DemoFiles, runs: int, seed: int) -> None:
    """Let scripted agents of different skill work at the help desk, and write their runs in the raw form."""
    write_corpus(files.folder / "helpdesk", runs=runs, seed=seed, formats=(files.form,))


def induce(files: DemoFiles, on_stage: Callable[[str], None] | None = None) -> Induction:
    """Infer the adapter from the raw runs and write it."""
    induction = induce_adapter(files.raw, files.outcomes, on_stage=on_stage)
    write_spec(induction.proposal.spec, files.adapter)
    return induction


def train(files: DemoFiles, induction: Induction, seed: int, progress: Progress) -> Manifest:
    """Train on three folds of the tasks, calibrate on the fourth; the held-out fold is used for nothing."""
    settings = BundleSettings(TrainingSettings(seed=seed), alpha=ALPHA, exclude_fold=HELD_OUT_FOLD)
    corpus = LabelledCorpus(files.raw, induction.proposal.spec, files.outcomes)
    return build_bundle(corpus, settings, files.bundle, progress)
