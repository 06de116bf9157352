"""From labelled runs to a bundle on disk: vocabulary, network, graph, parity, calibration, threshold; in that order or
not at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import orjson

from induction.learning.calibrating import IDENTITY, calibrate
from induction.learning.checkpoint_folder import CheckpointFolder
from induction.learning.checkpoints import NO_CHECKPOINTS
from induction.learning.costing import BATCH, check_sizes, measure_cost
from induction.learning.export import check_parity, export_graph
from induction.learning.groups import group_thresholds
from induction.learning.identity import identify_learning
from induction.learning.labelled import LabelledCorpus, LabelledRun
from induction.learning.offsets import learn_offsets
from induction.learning.presets.default import DefaultRecipe
from induction.learning.progress import Progress
from induction.learning.recipe import Learned, Recipe
from induction.learning.referencing import NotingMonitor
from induction.learning.reliability import cross_fit_reliability, to_json
from induction.learning.scoring import ScoredRun, score_runs
from induction.learning.split import Split
from induction.learning.training import TrainingSettings
from monitors.adapter import compile_adapter
from monitors.adapter.bounded import bound_text
from monitors.bundle import CalibrationRecord, Manifest, TrainingRecord, check_target, write_bundle
from monitors.bundle.manifest import GroupsRecord, digest_task
from monitors.bundle.seen import digest_run
from monitors.conformal import finest_alpha, promise
from monitors.contract import check_contract
from monitors.features.featuriser import NgramFeaturiser
from monitors.features.protocol import Featuriser
from monitors.features.shape import VERSION as SHAPE_VERSION
from monitors.golden import make_golden
from monitors.monitor import Monitor
from monitors.scorers.onnx_runtime import OnnxScorer
from monitors.stepview import JsonValue, to_text

EXAMPLE_CHARS = 2_000

Threshold = Literal["flat", "by-turn"]


@dataclass(frozen=True, slots=True)
class BundleSettings:
    """What to promise and on what to train."""

    training: TrainingSettings
    recipe: Recipe = field(default_factory=DefaultRecipe)
    alpha: float = 0.1
    confidence: float | None = None
    exclude_fold: int | None = None
    threshold: Threshold = "flat"
    """"by-turn": lower in early turns, by offsets that training runs tell; earlier alerts for the same alpha."""
    min_turns: int = 0
    release_margin: float = 0.5
    """An alert episode ends this far (in logits) below the threshold."""


def build_bundle(
    corpus: LabelledCorpus, settings: BundleSettings, out: Path, progress: Progress, *, resume: bool = False
) -> Manifest:
    """Train a monitor on a corpus and write its bundle; return the manifest. Where the corpus has a `group_by`, groups
    with enough runs get thresholds of their own.

    With `resume`, what learning has done is kept in a folder beside `out` until the bundle is written: killed anywhere
    and called again, it goes on, and writes the files that it would have written uninterrupted.

    Raises TooFewRunsError, NoRunsError, NoGroupsError, ParityError, TooLargeError, BundleError; then no bundle is
    written. What a step costs above its line is in the manifest, and no error: a busy machine must not fail a training.
    """
    check_target(out)
    split = Split(settings.exclude_fold)
    corpus = replace(corpus, spec=settings.recipe.to_spec(corpus.spec))
    checkpoints = _open_checkpoints(corpus, split, settings, out, progress) if resume else NO_CHECKPOINTS
    learned = settings.recipe.learn(corpus, split, settings.training, progress, checkpoints)
    progress.stage("Exporting to ONNX and checking torch = ONNX = numpy")
    graph = export_graph(learned.network)
    check_parity(learned.network, graph, seed=settings.training.seed)
    state_bytes = 4 * learned.network.state_size + learned.featuriser.initial_memory().nbytes
    check_sizes(len(graph), state_bytes, settings.recipe.head)
    progress.stage("Calibrating on held-out runs")
    monitor = _to_blank_monitor(corpus, learned.featuriser, graph, settings)
    offsets = _find_offsets(monitor, corpus, split) if settings.threshold == "by-turn" else []
    samples = _Samples()
    noting = NotingMonitor(monitor)
    scored = list(score_runs(noting, samples.take(corpus.runs(split.calibrates))))
    calibration = calibrate(scored, settings.training.horizon, offsets)
    manifest = _describe(corpus, settings, learned, scored, calibration).model_copy(
        update={
            "offsets": offsets,
            "groups": _find_groups(scored, corpus.group_by, settings, offsets),
            "reference": noting.to_reference(learned.network.n_symbols),
        }
    )
    progress.stage("Checking contracts and measuring what a step costs")
    monitor = Monitor(manifest, monitor.adapter, monitor.featuriser, monitor.scorer)
    check_contract(monitor, samples.examples, manifest.n_symbols)
    manifest = manifest.model_copy(update={"cost": measure_cost(monitor, samples.runs, len(graph))})
    manifest = write_bundle(
        out,
        manifest,
        corpus.spec,
        graph,
        learned.featuriser.to_arrays(),
        samples.examples,
        make_golden(monitor, samples.examples),
        _digest_runs(corpus, split),
        to_json(cross_fit_reliability(scored, settings.training.horizon)),
    )
    checkpoints.clear()
    return manifest


def _open_checkpoints(
    corpus: LabelledCorpus, split: Split, settings: BundleSettings, out: Path, progress: Progress
) -> CheckpointFolder:
    folder = out.absolute()
    identity = identify_learning(corpus, split, settings.training, settings.recipe)
    checkpoints = CheckpointFolder(folder.with_name(f"{folder.name}.training"), identity, progress.note)
    checkpoints.open()
    return checkpoints


def _to_blank_monitor(
    corpus: LabelledCorpus, featuriser: Featuriser, graph: bytes, settings: BundleSettings
) -> Monitor:
    """Return the very graph that will be served as a monitor, uncalibrated."""
    blank = CalibrationRecord(
        runs=0, tasks=0, success_maxima=[], success_turns=[], risk=IDENTITY, failure=IDENTITY, base_risk=0.0
    )
    manifest = _blank_manifest(settings, blank)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        path.write_bytes(graph)
        scorer = OnnxScorer(path, "cpu")
    return Monitor(manifest, compile_adapter(corpus.spec), featuriser, scorer)


def _find_offsets(monitor: Monitor, corpus: LabelledCorpus, split: Split) -> list[float]:
    # Of training runs alone: none of them sets the threshold.
    return learn_offsets(score_runs(monitor, (run for run in corpus.runs(split.trains) if not run.success)))


def _find_groups(
    runs: list[ScoredRun], by: str | None, settings: BundleSettings, offsets: list[float]
) -> GroupsRecord | None:
    if by is None:
        return None
    return group_thresholds(runs, by, settings.alpha, settings.confidence, settings.release_margin, offsets)


def _digest_runs(corpus: LabelledCorpus, split: Split) -> set[str]:
    used = corpus.runs(lambda task, fold: split.trains(task, fold) or split.calibrates(task, fold))
    return {digest_run(run.events) for run in used}


@dataclass(slots=True)
class _Samples:
    """What is kept of the calibration runs as they pass."""

    examples: list[JsonValue] = field(default_factory=list)
    """Up to three raw steps, to be shown."""
    runs: list[list[JsonValue]] = field(default_factory=list)
    """Raw steps of up to BATCH runs, for the cost to be measured on."""

    def take(self, runs: Iterator[LabelledRun]) -> Iterator[LabelledRun]:
        """Yield runs as they are."""
        for run in runs:
            self.examples.extend(_shorten(event) for event in run.events[: 3 - len(self.examples)])
            if run.events and len(self.runs) < BATCH:
                self.runs.append(run.events)
            yield run


def _blank_manifest(settings: BundleSettings, calibration: CalibrationRecord) -> Manifest:
    training = TrainingRecord(
        corpus="", runs=0, tasks=0, failures=0, preset="", head="", seed=settings.training.seed, epochs=0
    )
    return Manifest(
        name="unsaved",
        created="",
        forewarn="",
        horizon=settings.training.horizon,
        alpha=settings.alpha,
        threshold=None,
        release=None,
        finest_alpha=1.0,
        realised_range=(0.0, 0.0),
        n_symbols=16,
        shape_version=SHAPE_VERSION,
        training=training,
        calibration=calibration,
    )


def _describe(
    corpus: LabelledCorpus,
    settings: BundleSettings,
    learned: Learned,
    scored: list[ScoredRun],
    calibration: CalibrationRecord,
) -> Manifest:
    kept = promise(calibration.success_maxima, settings.alpha, settings.confidence)
    tasks = learned.tasks | {run.task for run in scored}
    return _blank_manifest(settings, calibration).model_copy(
        update={
            "name": corpus.spec.name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "forewarn": version("forewarn"),
            "confidence": settings.confidence,
            "threshold": kept.threshold,
            "release": None if kept.threshold is None else kept.threshold - settings.release_margin,
            "finest_alpha": finest_alpha(len(calibration.success_maxima), settings.confidence),
            "realised_range": kept.realised_range,
            "min_turns": settings.min_turns,
            "n_symbols": learned.network.n_symbols,
            "featuriser": learned.featuriser.kind,
            "shape_version": _shape_version(learned.featuriser),
            "training": TrainingRecord(
                corpus=corpus.raw.name,
                runs=learned.runs,
                tasks=len(learned.tasks),
                failures=learned.failures,
                excluded_fold=settings.exclude_fold,
                preset=settings.recipe.preset,
                head=settings.recipe.head,
                seed=settings.training.seed,
                device=settings.training.device,
                epochs=learned.epochs,
                validation_auprc_h=learned.validation_auprc,
            ),
            "tasks": sorted(digest_task(task) for task in tasks),
        }
    )


def _shape_version(featuriser: Featuriser) -> int:
    return featuriser.shape_version if isinstance(featuriser, NgramFeaturiser) else SHAPE_VERSION


def _shorten(event: JsonValue) -> JsonValue:
    """Return an example raw step fit to be shown: itself, or its text cut short."""
    if isinstance(event, str):
        return bound_text(event, EXAMPLE_CHARS)
    try:
        if len(orjson.dumps(event)) <= EXAMPLE_CHARS:
            return event
    except TypeError:
        pass  # Lone surrogates and integers beyond 64 bits cannot be written as JSON; as text they can.
    return {"shortened": bound_text(to_text(event), EXAMPLE_CHARS)}
