"""The one way in for outcomes, whatever carries them: the last word holds, and when it was said is kept."""

from __future__ import annotations

from dataclasses import dataclass

from service.core.ingest import check_run_id
from service.ports import StepLog
from service.records import RunRef


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went."""

    success: bool
    intervened: bool | None = None
    """Somebody acted on a warning, so that the outcome says little of it; None where nobody said."""


async def say_outcome(log: StepLog, ref: RunRef, outcome: Outcome) -> bool:
    """Write or correct a run's outcome; the run takes no more steps. True if it is news; saying the same again changes
    nothing, not even when it was said. Raises NameRefused, NotFound, TransientError.
    """
    check_run_id(ref.run_id)
    return await log.set_outcome(ref, success=outcome.success, intervened=outcome.intervened)


async def take_back_outcome(log: StepLog, ref: RunRef) -> bool:
    """Take a run's outcome back: it stays closed, and counts as one that nobody judged. False if it had none. Raises
    NameRefused, NotFound, TransientError.
    """
    check_run_id(ref.run_id)
    return await log.delete_outcome(ref)
