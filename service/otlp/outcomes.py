"""What spans and events say of how a run went, where the service is set to hear it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from monitors.adapter.spans import EVALUATION
from service.errors import RawStepRefused
from service.otlp.conventions import attributes_of

OutcomeSource = Literal["none", "evaluation", "root-status"]
_GOOD = frozenset({"pass", "passed", "success", "successful", "succeeded", "true", "yes", "correct", "good", "ok"})
_BAD = frozenset({"fail", "failed", "failure", "unsuccessful", "false", "no", "incorrect", "bad", "error"})
GOOD_FROM = 0.5
_ERROR_STATUS = (2, "STATUS_CODE_ERROR")


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """Where outcomes come from: `evaluation` hears the evaluation of this name, `root-status` the status of the span
    without a parent."""

    source: OutcomeSource = "none"
    name: str = "task_success"

    def of_root(self, span: dict[str, Any]) -> bool | None:
        """How a root span says that its run went: it failed where its status is an error. None where that is not
        heard."""
        if self.source != "root-status":
            return None
        status = span.get("status")
        return not (isinstance(status, dict) and status.get("code") in _ERROR_STATUS)

    def of_evaluation(self, event: dict[str, Any]) -> bool | None:
        """How an evaluation says that its run went; None where it is another evaluation, or none is heard. Raises
        RawStepRefused where it is the one, and says neither."""
        told = attributes_of(event)
        if self.source != "evaluation" or told.get("gen_ai.evaluation.name") != self.name:
            return None
        label, score = told.get("gen_ai.evaluation.score.label"), told.get("gen_ai.evaluation.score.value")
        word = label.strip().lower() if isinstance(label, str) else ""
        if word in _GOOD or word in _BAD:
            return word in _GOOD
        if isinstance(score, int | float) and not isinstance(score, bool):
            return float(score) >= GOOD_FROM
        raise RawStepRefused(
            "the evaluation says neither how it went in gen_ai.evaluation.score.label (such as pass or fail) nor in "
            "gen_ai.evaluation.score.value (a number; from 0.5 on is success)"
        )

    def of_events(self, span: dict[str, Any]) -> bool | None:
        """What the evaluations among a span's events say; the last one holds."""
        said: bool | None = None
        for event in span.get("events", ()):
            if isinstance(event, dict) and event.get("name") == EVALUATION:
                found = self.of_evaluation(event)
                said = said if found is None else found
        return said
