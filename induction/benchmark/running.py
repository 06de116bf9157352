"""The whole benchmark: fits that are missing, then figures of every group that is complete, written as they come."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import orjson

from induction.benchmark.fits import FitKey, read_fit
from induction.benchmark.fitting import DONE, OnFit, Work, do_fits, read_or_induce_adapter
from induction.benchmark.plan import Group, Plan
from induction.benchmark.results import Results, Row
from induction.evaluation.agents import read_agents

FITS, RESULTS, DIFFERENCES = "fits", "results.jsonl", "differences.jsonl"


def run_benchmark(plan: Plan, out: Path, on_fit: OnFit, jobs: int = 1) -> Results:
    """Run what is left of a plan; write `results.jsonl`, anew at each group that is complete, and `differences.jsonl`.

    Raises NoRunsError, AdapterError and what a fit raises; fits that were done stay done.
    """
    folder = out / FITS
    groups = list(plan.groups())
    works = []
    for group in groups:
        for key in group.keys:
            if (folder / key.file).exists():
                on_fit(key, DONE)
            else:
                spec = read_or_induce_adapter(group.corpus, out, partial(on_fit, key))
                works.append(Work(key, group.corpus, spec))
    missing = {work.key for work in works}
    results, measured = Results(), 0
    measured = _measure_complete(groups, measured, missing, folder, results)
    for key in do_fits(works, folder, on_fit, jobs):
        missing.discard(key)
        before, measured = measured, _measure_complete(groups, measured, missing, folder, results)
        if measured > before:
            write_rows(results.rows, out / RESULTS)
    write_rows(results.rows, out / RESULTS)
    write_rows(results.differences(plan.contenders), out / DIFFERENCES)
    return results


def _measure_complete(groups: list[Group], done: int, missing: set[FitKey], folder: Path, results: Results) -> int:
    """Measure the groups from number `done` on, as far as they are complete; return how many are measured."""
    while done < len(groups) and not missing & set(groups[done].keys):
        group = groups[done]
        fits = [read_fit(key, folder) for key in group.keys]
        found = [fit for fit in fits if fit is not None]
        # A share of the data may have been too small to learn from: then its point is left out.
        if len(found) == len(fits):
            results.add(group, found, read_agents(group.corpus.outcomes))
        done += 1
    return done


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write one JSON object a line, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    part.replace(path)
