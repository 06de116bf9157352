"""From a committed batch to what may be said of its runs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from service.core.evaluations import Evaluation
from service.core.scoring import ScoredBatch
from service.records import Entry
from service.worker.noting import Notes


def to_evaluations(entries: Sequence[Entry], batch: ScoredBatch, notes: Notes) -> list[Evaluation]:
    """What a partition's committed entries say of their runs, each run's newest score. Nothing of control runs: whoever
    saw it might act on it."""
    newest = {entry.ref: entry for entry in entries}
    evaluations = []
    for ref, entry in newest.items():
        run = batch.runs.get(ref)
        if run is None or not run.scores or run.memory.summary.control:
            continue
        score = run.scores[-1]
        evaluations.append(
            Evaluation(
                ref,
                run.memory.monitor_id,
                run.first_position + len(run.scores) - 1,
                entry.data,
                int(score.turn),
                float(score.risk),
                float(score.failure_probability),
                bool(score.warning),
                run.memory.summary.scored_ms,
                tuple(note.body for note in notes.get(ref, ()) if not note.hidden),
            )
        )
    return evaluations
