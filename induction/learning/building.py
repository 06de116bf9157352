"""From labelled runs to a bundle on disk: vocabulary, network, graph, parity, calibration, threshold; in that order or
not at all.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from induction.learning.calibrating import IDENTITY, calibrate
from induction.learning.costing import BATCH, check_sizes, measure_cost
from induction.learning.export import check_parity, export_graph
from induction.learning.labelled import LabelledCorpus
from induction.learning.presets.default import DefaultRecipe
from induction.learning.recipe import Learned, Progress, Recipe
from induction.learning.scoring import ScoredRun, score_runs
from induction.learning.split import Split
from induction.learning.training import TrainingSettings
from monitors.adapter import compile_adapter
from monitors.adapter.bounded import bound_text
from monitors.bundle import CalibrationRecord, Manifest, TrainingRecord, check_target, write_bundle
from monitors.bundle.manifest import digest_task
from monitors.conformal import finest_alpha, promise
from monitors.contract import check_contract
from monitors.features.featuriser import NgramFeaturiser
from monitors.features.protocol import Featuriser
from monitors.features.shape import VERSION as SHAPE_VERSION
from monitors.monitor import Monitor
from monitors.scorers.onnx_runtime import OnnxScorer
from monitors.stepview import JsonValue, to_text

EXAMPLE_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class BundleSettings:
    """What to promise and on what to train."""

    training: TrainingSettings
    recipe: Recipe = field(default_factory=DefaultRecipe)
    alpha: float = 0.1
    confidence: float | None = None
    exclude_fold: int | None = None
    min_turns: int = 0
    release_margin: float = 0.5
    """An alert episode ends this far (in logits) below the threshold."""


def build_bundle(corpus: LabelledCorpus, settings: BundleSettings, out: Path, progress: Progress) -> Manifest:
    """Train a monitor on a corpus and write its bundle; return the manifest.

    Raises TooFewRunsError, NoRunsError, ParityError, TooLargeError, BundleError; then nothing is written. What a step
    costs above its line is in the manifest, and no error: a busy machine must not fail a training.
    """
    check_target(out)
    split = Split(settings.exclude_fold)
    corpus = replace(corpus, spec=settings.recipe.to_spec(corpus.spec))
    learned = settings.recipe.learn(corpus, split, settings.training, progress)
    progress.stage("Exporting to ONNX and checking torch = ONNX = numpy")
    graph = export_graph(learned.network)
    check_parity(learned.network, graph, seed=settings.training.seed)
    state_bytes = 4 * learned.network.state_size + learned.featuriser.initial_memory().nbytes
    check_sizes(len(graph), state_bytes, settings.recipe.head)
    progress.stage("Calibrating on held-out runs")
    monitor = _to_monitor(corpus, settings, learned, graph)
    examples: list[JsonValue] = []
    some_runs: list[list[JsonValue]] = []
    scored = _score_for_calibration(corpus, split, monitor, examples, some_runs)
    calibration = calibrate(scored, settings.training.horizon)
    progress.stage("Checking contracts and measuring what a step costs")
    manifest = _describe(corpus, settings, learned, scored, calibration)
    monitor = Monitor(manifest, monitor.adapter, monitor.featuriser, monitor.scorer)
    check_contract(monitor, examples, manifest.n_symbols)
    manifest = manifest.model_copy(update={"cost": measure_cost(monitor, some_runs, len(graph))})
    return write_bundle(out, manifest, corpus.spec, graph, learned.featuriser.to_arrays(), examples)


def _to_monitor(corpus: LabelledCorpus, settings: BundleSettings, learned: Learned, graph: bytes) -> Monitor:
    """Return a monitor on the very graph that will be served, uncalibrated."""
    blank = CalibrationRecord(
        runs=0, tasks=0, success_maxima=[], success_turns=[], risk=IDENTITY, failure=IDENTITY, base_risk=0.0
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        path.write_bytes(graph)
        scorer = OnnxScorer(path, "cpu")
    return Monitor(_blank_manifest(settings, blank), compile_adapter(corpus.spec), learned.featuriser, scorer)


def _score_for_calibration(
    corpus: LabelledCorpus,
    split: Split,
    monitor: Monitor,
    examples: list[JsonValue],
    some_runs: list[list[JsonValue]],
) -> list[ScoredRun]:
    """Return the calibration runs scored by a monitor; fill in up to three example raw steps, and the raw steps of as
    many runs as the cost is measured on.
    """

    def calibration_runs() -> Any:
        for run in corpus.runs(split.calibrates):
            examples.extend(_shorten(event) for event in run.events[: 3 - len(examples)])
            if run.events and len(some_runs) < BATCH:
                some_runs.append(run.events)
            yield run

    return list(score_runs(monitor, calibration_runs()))


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
