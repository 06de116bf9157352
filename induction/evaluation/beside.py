"""What stands beside an evaluation's own figures: the observability ceiling, first alerts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from induction.evaluation.agents import read_agents
from induction.evaluation.ceiling import Ceiling, estimate_ceiling
from induction.evaluation.diagnosing import (
    GroupDiagnosis,
    diagnose_groups,
    diagnose_runs,
    name_ending,
    to_figures,
)
from induction.evaluation.evaluating import Evaluation
from induction.evaluation.own_thresholds import own_thresholds
from induction.learning.corpus import featurise_runs
from induction.learning.labelled import LabelledCorpus
from monitors.features.featuriser import ERROR_STATUSES
from monitors.monitor import Monitor
from monitors.stepview import to_text

REPEATED_CHARS = 20
"""Shorter results stand in a run twice without its going round in circles."""


def add_ceiling(evaluation: Evaluation, monitor: Monitor, corpus: LabelledCorpus, fold: int | None) -> Ceiling | None:
    """Add ceiling_auprc_h3_answered and its interval, where there are enough turns; return the estimate.

    Prefixes are shown by the monitor's scores, the turn, and the run-shape numbers of its featuriser.
    """
    sample, table = evaluation.sample, evaluation.sample.table
    shapes = {
        run.run: run.shape for run in featurise_runs(corpus.runs(of_fold(fold)), monitor.adapter, monitor.featuriser)
    }
    answered = table.answered
    shape: NDArray[np.float64] = np.stack(
        [shapes[sample.runs[run].run][place] for run, place in zip(table.run, table.place, strict=True)]
    ).astype(np.float64)
    features = np.column_stack([shape, sample.risk, sample.score, table.turn])[answered]
    task = sample.task[table.run][answered]
    found = estimate_ceiling(features, table.label[answered], task, {"monitor": sample.risk[answered]})
    if found is not None:
        evaluation.figures.update(found.to_figures("ceiling_auprc_h3_answered"))
    return found


def write_first_alerts(
    evaluation: Evaluation, monitor: Monitor, corpus: LabelledCorpus, fold: int | None, path: Path
) -> list[GroupDiagnosis]:
    """Write one JSON line a run, and then one a group, and add first_alert_… figures; return the groups.

    At the bundle's own thresholds: a bundle that never alerts catches nothing, and that is shown.
    """
    thresholds = own_thresholds(monitor.manifest, evaluation.runs)
    runs = diagnose_runs(
        evaluation.sample, thresholds, read_agents(corpus.outcomes), find_endings(monitor, corpus, fold)
    )
    groups = diagnose_groups(runs)
    evaluation.figures.update(to_figures(runs))
    with path.open("wb") as file:
        for run in runs:
            file.write(orjson.dumps(asdict(run) | {"left": run.left}, option=orjson.OPT_APPEND_NEWLINE))
        for group in groups:
            file.write(orjson.dumps(asdict(group), option=orjson.OPT_APPEND_NEWLINE))
    return groups


def find_endings(monitor: Monitor, corpus: LabelledCorpus, fold: int | None) -> dict[str, str]:
    """Return run id → how the run ends, by what its last turn and its repeats show."""
    endings = {}
    for run in corpus.runs(of_fold(fold)):
        seen: set[str] = set()
        repeats, error_now, answered = 0, False, False
        for event in run.events:
            view = monitor.adapter.read(event).view
            if view.actions > 0:
                error_now = answered = False
            error_now = error_now or view.status in ERROR_STATUSES
            result, call = to_text(view.result), f"{view.tool} {to_text(view.args)}" if view.tool else ""
            answered = answered or bool(result) or bool(view.observation)
            for text in (result, call):
                if len(text) >= REPEATED_CHARS:
                    repeats += text in seen
                    seen.add(text)
        endings[run.run] = name_ending(error_now=error_now, answered=answered, repeats=repeats)
    return endings


def of_fold(fold: int | None) -> Callable[[str, int], bool]:
    """Return which runs are of a fold; all for None."""
    return lambda _, run_fold: fold is None or run_fold == fold
