"""Every score of an evaluation on disk, to be compared with a live service's, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from induction.learning.scoring import ScoredRun


def write_scores(runs: Sequence[ScoredRun], path: Path) -> None:
    """Write one JSON line a run: run, task, success, and per raw step turn, risk, failure_probability and score (raw
    failure logit).
    """
    with path.open("wb") as file:
        for run in runs:
            line = {
                "run": run.run,
                "task": run.task,
                "success": run.success,
                "turns": run.turns.tolist(),
                "risk": run.risk.tolist(),
                "failure_probability": run.failure.tolist(),
                "score": run.score.tolist(),
            }
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
