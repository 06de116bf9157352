"""Which finished runs a replay plays: read from RAW as the adapter says, with their outcomes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson

from forewarn.replay.playing import REPLAYED, PlayableRun
from induction.errors import NoRunsError
from induction.learning.labelled import LabelledCorpus
from monitors.adapter import AdapterSpec


def choose_runs(
    raw: Path,
    spec: AdapterSpec,
    outcomes: Path | None,
    *,
    fold: int | None = None,
    at_most: int | None = None,
    group_by: str | None = None,
) -> list[PlayableRun]:
    """The runs to play, in an order that depends on their names alone and mixes files; `at_most` of them if so stated.
    With `group_by`, that field of the outcomes names each run's agent.

    All are held in memory as JSON, so that reading takes no time from playing. Raises `NoRunsError` if none is left.
    """
    names = LabelledCorpus(raw, spec, outcomes, group_by=group_by)
    keep = None if fold is None else (lambda _, run_fold: run_fold == fold)
    chosen: dict[bytes, PlayableRun] = {}
    for run in names.runs(keep):
        if not run.events:
            continue
        steps = tuple(orjson.dumps(event) for event in run.events)
        agent = REPLAYED if group_by is None else run.group
        chosen[_order(run.run)] = PlayableRun(run.run, run.task, run.success, steps, agent)
        if at_most is not None and len(chosen) > at_most:
            del chosen[max(chosen)]
    if not chosen:
        raise NoRunsError(f"{raw}: no run to play" + (f" in fold {fold}" if fold is not None else ""))
    return [chosen[key] for key in sorted(chosen)]


def _order(name: str) -> bytes:
    return hashlib.sha256(f"forewarn-replay:{name}".encode("utf-8", "replace")).digest()
