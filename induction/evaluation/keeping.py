"""An evaluation kept in the bundle that it is about."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from induction.evaluation.evaluating import Evaluation
from induction.learning.reliability import measure_reliability
from monitors.bundle.folder import EVALUATION, add_part
from monitors.evaluation_record import EvaluationRecord


def keep_evaluation(
    bundle: Path, evaluation: Evaluation, horizon: int, corpus: str, fold: int | None, *, known_tasks: bool
) -> None:
    """Put figures and reliability into the bundle, in place of an earlier evaluation's; its id and scores stay."""
    record = EvaluationRecord(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        forewarn=version("forewarn"),
        corpus=corpus,
        fold=fold,
        known_tasks=known_tasks,
        figures={name: value for name, value in evaluation.figures.items() if math.isfinite(value)},
        reliability=measure_reliability(evaluation.runs, horizon),
    )
    add_part(bundle, EVALUATION, record.model_dump_json(indent=2).encode() + b"\n")
