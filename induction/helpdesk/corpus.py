"""A corpus on disk: the same runs in several raw formats, each with the list of its runs and outcomes beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from induction.helpdesk.chat import to_chat
from induction.helpdesk.otlp import to_export, to_spans
from induction.helpdesk.react import to_log
from induction.helpdesk.simulation import simulate
from induction.helpdesk.trace import HelpdeskRun

FORMATS = ("chat", "otlp", "react")
SHARD = 100
"""Runs in one file of the formats that hold many."""

FOLDS = 5


def compute_fold(task_id: str) -> int:
    """The task's fold, 0 … 4: a hash, so that all runs of a task are on the same side of every split."""
    return int(sha256(f"forewarn:{task_id}".encode()).hexdigest()[:8], 16) % FOLDS


def write_corpus(
    out: Path, *, runs: int, seed: int, formats: Sequence[str] = FORMATS, chat_outcome: bool = False
) -> None:
    """Writes `out/<format>/raw/...` and `out/<format>/runs.jsonl` for each of the formats ("chat", "otlp", "react").

    The same arguments write the same bytes. The raw files do not tell the outcome, unless `chat_outcome` puts it beside
    the messages. Only one shard of runs is held in memory.

    Raises ValueError for an unknown format or less than one run, FileExistsError if a corpus is already there.
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise ValueError(f"unknown format {', '.join(unknown)}: choose from {', '.join(FORMATS)}")
    if runs < 1:
        raise ValueError(f"a corpus has at least one run, not {runs}")
    for name in formats:
        (out / name / "raw").mkdir(parents=True)
    stream = simulate(runs, seed)
    shard = 0
    while batch := list(islice(stream, SHARD)):
        for name in formats:
            rows = _write_shard(out / name / "raw", name, shard, batch, chat_outcome=chat_outcome)
            with (out / name / "runs.jsonl").open("a", encoding="utf-8") as listing:
                listing.writelines(json.dumps(row) + "\n" for row in rows)
        shard += 1


def _write_shard(
    raw: Path, name: str, shard: int, batch: Sequence[HelpdeskRun], *, chat_outcome: bool
) -> list[dict[str, Any]]:
    """Writes the batch in one format and gives its rows of runs.jsonl."""
    if name == "react":
        for run in batch:
            (raw / f"{run.run_id}.log").write_text(to_log(run), encoding="utf-8")
        return [_to_row(run, f"{run.run_id}.log", None) for run in batch]
    file = f"{name}-{shard:03d}.json"
    document: Any
    if name == "chat":
        document = [to_chat(run, outcome=chat_outcome) for run in batch]
    else:
        document = to_export(span for run in batch for span in to_spans(run))
    (raw / file).write_text(json.dumps(document), encoding="utf-8")
    return [_to_row(run, file, loc) for loc, run in enumerate(batch)]


def _to_row(run: HelpdeskRun, file: str, loc: int | None) -> dict[str, Any]:
    """A line of runs.jsonl: where the run is, its task, outcome and fold; the rest serves to slice results."""
    return {
        "run": file if loc is None else f"{file}#{loc}",
        "file": file,
        "loc": loc,
        "task": run.task_id,
        "success": run.success,
        "fold": compute_fold(run.task_id),
        "turns": run.turns,
        "agent": run.agent,
        "trial": run.trial,
        "run_id": run.run_id,
        "slips": list(run.slips),
    }
