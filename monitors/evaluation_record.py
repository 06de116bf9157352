"""`evaluation.json` of a bundle: what it was measured at on runs that it was not made from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from monitors.errors import BundleError
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
    try:
        record = EvaluationRecord.model_validate_json(raw_evaluation)
    except ValidationError as error:
        raise BundleError(
            f"{source} holds no evaluation that this forewarn reads: {error.errors()[0]['msg']}"
        ) from None
    if record.format > EVALUATION_FORMAT:
        raise BundleError(f"{source} has format {record.format}; this forewarn reads up to {EVALUATION_FORMAT}")
    return record
