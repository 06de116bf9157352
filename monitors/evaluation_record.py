"""`evaluation.json` of a bundle: what it was measured at on runs that it was not made from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from monitors.bundle_part import parse_part
from monitors.reliability import Reliability

EVALUATION_FORMAT = 1


class EvaluationRecord(BaseModel):
    """The latest evaluation that was kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = EVALUATION_FORMAT
    made: str
    forewarn: str
    corpus: str
    fold: int | None
    known_tasks: bool = Field(description="Tasks that the bundle was made from were let in: then figures flatter it.")
    figures: dict[str, FiniteFloat] = Field(max_length=5_000, description="Flat; names: docs/metrics.md.")
    reliability: Reliability


def parse_evaluation(raw_evaluation: bytes, source: str) -> EvaluationRecord:
    """Return the evaluation that a file holds. Raises BundleError, also for a newer format."""
    return parse_part(EvaluationRecord, raw_evaluation, source, EVALUATION_FORMAT)
