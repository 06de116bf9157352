"""Leak check: files cut before the last raw step of every run, and scores recomputed from them. Nothing that comes with
a run's end, inside the steps or beside them, may have moved an earlier score.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from induction.learning.labelled import LabelledCorpus
from induction.learning.scoring import score_runs
from induction.reading.files import open_raw
from monitors.adapter import AdapterSpec
from monitors.adapter.blocks import split_blocks
from monitors.adapter.pointers import compile_pointer, split_pointer
from monitors.adapter.spec import Source
from monitors.monitor import Monitor


@dataclass(frozen=True, slots=True)
class PrefixCheck:
    """What came out when scores were computed again from cut files."""

    runs: int
    steps: int
    """Raw steps before the last of their run, scored twice."""
    changed: int
    """How many of them have another risk, failure probability or alert statistic; 0 means that nothing looks ahead."""


def check_prefixes(monitor: Monitor, whole: LabelledCorpus, cut: LabelledCorpus, fold: int) -> PrefixCheck:
    """Return how the scores of a fold's runs compare with those from files that `write_cut_files` wrote.

    Runs are scored one at a time, so that scores must agree to the last bit.
    """

    def scored(corpus: LabelledCorpus) -> Any:
        return score_runs(monitor, corpus.runs(lambda _, run_fold: run_fold == fold), batch_size=1)

    early = {run.run: run for run in scored(cut)}
    runs = steps = changed = 0
    for run in scored(whole):
        part = early.get(run.run)
        size = run.turns.size - 1
        if part is None or part.turns.size != size:
            changed += size
            steps += size
            continue
        same = (part.risk == run.risk[:size]) & (part.failure == run.failure[:size]) & (part.score == run.score[:size])
        runs, steps, changed = runs + 1, steps + size, changed + int((~same).sum())
    return PrefixCheck(runs, steps, changed)


def write_cut_files(raw: Path, spec: AdapterSpec, out: Path) -> None:
    """Write the files of RAW again under `out`, every run without its last raw step and, in JSON, without all that
    stands beside its steps: what an agent had written just before its last step.

    Raises ValueError for runs that are folders, trees, groups, sorted or telemetry: their files cannot be cut here.
    """
    source = spec.source
    if source.container == "otlp" or any((source.folder, source.tree, source.group_by, source.order_by)):
        raise ValueError("only runs that are lists of JSON or text logs can be cut")
    with open_raw(raw) as files:
        for file in files:
            target = out / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            data = file.read()
            target.write_bytes(_cut_text(data, spec) if source.container == "text" else _cut_json(data, source))


def _cut_text(data: bytes, spec: AdapterSpec) -> bytes:
    blocks = spec.event.blocks
    if blocks is None:
        return b""
    lines = data.decode("utf-8", "replace").splitlines(keepends=True)
    n_events = len(split_blocks("".join(lines), blocks))
    # More lines never make fewer blocks: the last block starts at the line from which on all are there.
    last = bisect_left(range(len(lines) + 1), n_events, key=lambda n: len(split_blocks("".join(lines[:n]), blocks)))
    return "".join(lines[: max(last - 1, 0)]).encode()


def _cut_json(data: bytes, source: Source) -> bytes:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        # JSONL is read as the list of its lines' values.
        return orjson.dumps(_cut_document([orjson.loads(line) for line in data.splitlines() if line.strip()], source))
    return orjson.dumps(_cut_document(document, source))


def _cut_document(document: Any, source: Source) -> Any:
    for pointer in source.runs:
        raw_runs = compile_pointer(pointer, 1 << 62)(document)
        if raw_runs:
            break
    else:
        return document
    cut = [_cut_run(raw_run, source) for raw_run in raw_runs]
    return _put(pointer.removesuffix("/*"), cut if pointer.endswith("/*") else cut[0])


def _cut_run(raw_run: Any, source: Source) -> Any:
    kept: Any = {}
    for pointer in source.events:
        holder = pointer.removesuffix("/*")
        found = compile_pointer(holder, 1 << 62)(raw_run)
        if found and isinstance(found[0], list):
            kept = _put(holder, found[0][:-1])
            break
    if isinstance(kept, dict):
        for name in (source.run_id, source.task_id, *source.start):
            values = compile_pointer(name, 1 << 62)(raw_run) if name else []
            if name and values and len(split_pointer(name)) == 1:
                kept.setdefault(split_pointer(name)[0], values[0])
    return kept


def _put(pointer: str, value: Any) -> Any:
    """Return `value` inside objects, at the pointer."""
    for key in reversed(split_pointer(pointer)):
        value = {key: value}
    return value
