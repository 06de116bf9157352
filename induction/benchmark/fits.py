"""One fit: train on three folds, calibrate on the next, score the last. Kept on disk, so that a benchmark can go on."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from induction.learning.building import BundleSettings, build_bundle
from induction.learning.labelled import N_FOLDS, LabelledCorpus, LabelledRun
from induction.learning.presets import find_recipe
from induction.learning.progress import NoProgress
from induction.learning.scoring import ScoredRun, score_runs
from induction.learning.training import TrainingSettings
from monitors.adapter import AdapterSpec, compile_adapter
from monitors.monitor import Monitor


@dataclass(frozen=True, slots=True)
class FitKey:
    """Which fit: the test fold of one split of one corpus, for one preset with one head, a seed and a share of the
    training data.
    """

    corpus: str
    split: str
    preset: str
    head: str
    seed: int
    fold: int
    share: float = 1.0
    """Of the training tasks (of the training runs where tasks repeat); below 1 for a learning curve."""

    @property
    def name(self) -> str:
        """What people and its file call it."""
        part = "" if self.share == 1.0 else f".share{self.share:g}"
        return f"{self.corpus}.{self.split}.{self.preset}.{self.head}{part}.seed{self.seed}.fold{self.fold}"

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.json"

    def uses(self, run: LabelledRun) -> bool:
        """Return whether the fit sees a run at all: of its training folds only the share."""
        if self.share == 1.0 or run.fold in (self.fold, (self.fold + 1) % N_FOLDS):
            return True
        text = f"share:{self.seed}:{run.task if self.split == 'new' else run.run}"
        place = int(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8], 16) / 2**32
        return place < self.share


@dataclass(frozen=True, slots=True)
class Fit:
    """The test runs of a fit, scored, and the calibration runs' greatest statistics that its thresholds come from."""

    key: FitKey
    runs: list[ScoredRun]
    success_maxima: list[float]
    success_turns: list[int]
    training_runs: int = 0
    offsets: list[float] = field(default_factory=list)
    """By turn, what alerts take off the score: see the manifest."""


class _Stages(NoProgress):
    """Stages alone: the rest is too short to tell of."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def stage(self, name: str) -> None:
        self._say(name)


def fit(key: FitKey, raw: Path, spec: AdapterSpec, outcomes: Path, say: Callable[[str], None]) -> Fit:
    """Train, calibrate and score. Deterministic for a key."""
    corpus = LabelledCorpus(raw, spec, outcomes, split=key.split, among=key.uses)
    recipe = find_recipe(key.preset, key.head)
    settings = BundleSettings(TrainingSettings(seed=key.seed), recipe, exclude_fold=key.fold)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        manifest = build_bundle(corpus, settings, bundle, _Stages(say))
        monitor = Monitor.read(bundle, device="cpu")
        say("Scoring the test fold")
        # Which turns got a reply is the corpus's, whatever the contender reads: all are measured on the same turns.
        tested = corpus.runs(lambda _, fold: fold == key.fold)
        runs = list(score_runs(monitor, tested, answers=compile_adapter(spec)))
    calibration = manifest.calibration
    return Fit(
        key, runs, calibration.success_maxima, calibration.success_turns, manifest.training.runs, manifest.offsets
    )


def write_fit(found: Fit, folder: Path) -> None:
    """Write a fit whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {**asdict(found), "runs": [_to_plain(run) for run in found.runs]}
    part = folder / f".{found.key.file}.part"
    part.write_bytes(orjson.dumps(record))
    part.replace(folder / found.key.file)


def read_fit(key: FitKey, folder: Path) -> Fit | None:
    """Return a fit that was written before, or None."""
    try:
        record = orjson.loads((folder / key.file).read_bytes())
    except FileNotFoundError:
        return None
    runs = [ScoredRun(**{name: _from_plain(name, value) for name, value in run.items()}) for run in record["runs"]]
    # A fit that was written before there were offsets has none.
    offsets = record.get("offsets", [])
    return Fit(key, runs, record["success_maxima"], record["success_turns"], record["training_runs"], offsets)


_TYPES = {
    "turns": np.int32,
    "actions": np.int32,
    "answered": np.bool_,
    "risk": np.float64,
    "failure": np.float64,
    "score": np.float64,
}


def _to_plain(run: ScoredRun) -> dict[str, Any]:
    return {name: value.tolist() if name in _TYPES else value for name, value in asdict(run).items()}


def _from_plain(name: str, value: Any) -> Any:
    return np.array(value, _TYPES[name]) if name in _TYPES else value
