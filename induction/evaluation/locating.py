"""Does attribution find the step where a failed run went wrong? Hits against steps that people marked, beside floors.

A method ranks the raw steps of a run; what is counted is how it ranks the marked one. Floors: a step drawn at random
(exact, no drawing), the last step, the longest step, and the position that is right most often in runs of *other*
tasks, which knows where mistakes tend to be and nothing of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from induction.errors import NoRunsError
from induction.evaluation.metrics import to_interval
from induction.learning.labelled import LabelledCorpus
from induction.outcomes import OutcomeRow, read_outcomes
from monitors.attribution import score_steps
from monitors.monitor import Monitor
from monitors.stepview import to_text

WITHIN = 5
DRAWS = 1_000
Hits = tuple[float, float, float]
"""Hit@1, hit@3, and whether the first choice lies within WITHIN steps of the mark."""
NAMES = ("hit@1", "hit@3", f"within-{WITHIN}")


@dataclass(frozen=True, slots=True)
class MarkedRun:
    """A failed run in which somebody marked the step that went wrong."""

    run: str
    task: str
    steps: int
    """Raw steps."""
    mistake: int
    """Number of the marked raw step, from 0."""
    lengths: tuple[int, ...]
    """Characters of each raw step, as it stands."""


@dataclass(frozen=True, slots=True)
class Located:
    """How often a method was right, with 95 % intervals over tasks."""

    method: str
    runs: int
    tasks: int
    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    above_random: dict[str, tuple[float, float]]
    """Interval of the difference to the random floor, paired by run: above zero means better."""


def locate(monitor: Monitor, corpus: LabelledCorpus) -> list[Located]:
    """Return how well a monitor's jumps, and what steps say to it, point to the marked steps of a corpus; then floors.

    Raises NoRunsError where no run of the corpus has a mark (`mistake_step` in its outcomes, counted from 0).
    """
    rows = {row.run: row for row in read_outcomes(corpus.outcomes)} if corpus.outcomes is not None else {}
    runs: list[MarkedRun] = []
    hits: dict[str, list[Hits]] = {"jump of the score": [], "what the step says": []}
    for run in corpus.runs():
        mistake = read_mistake(rows[run.run]) if run.run in rows else None
        if mistake is None or mistake >= len(run.events):
            continue
        lengths = tuple(len(to_text(event)) for event in run.events)
        runs.append(MarkedRun(run.run, run.task, len(run.events), mistake, lengths))
        for method, scores in zip(hits, score_steps(monitor, run.events), strict=True):
            hits[method].append(to_hits(rank_steps(scores), mistake))
    if not runs:
        raise NoRunsError(f"{corpus.raw}: no run has a marked step: its row in --outcomes needs mistake_step")
    return measure_locating(runs, {**hits, **floors(runs)})


def read_mistake(row: OutcomeRow) -> int | None:
    """Return the number of the marked raw step in a row of outcomes (`mistake_step`), or None."""
    raw_step = row.extra.get("mistake_step")
    text = str(raw_step) if isinstance(raw_step, int | str) and not isinstance(raw_step, bool) else ""
    return int(text) if text.isdecimal() else None


def to_hits(order: Sequence[int], mistake: int) -> Hits:
    """Return how a ranking, best first, does on one run."""
    return (
        float(order[0] == mistake),
        float(mistake in order[:3]),
        float(abs(order[0] - mistake) <= WITHIN),
    )


def rank_steps(scores: NDArray[np.float64]) -> list[int]:
    """Return steps by falling score; of equal ones the earlier first."""
    return [int(place) for place in np.argsort(-scores, kind="stable")]


def random_hits(run: MarkedRun) -> Hits:
    """Return the hits to be expected of a random order."""
    near = sum(abs(place - run.mistake) <= WITHIN for place in range(run.steps))
    return 1 / run.steps, min(3, run.steps) / run.steps, near / run.steps


def floors(runs: Sequence[MarkedRun]) -> dict[str, list[Hits]]:
    """Return the hits of each floor on each run."""
    return {
        "random step": [random_hits(run) for run in runs],
        "last step": [to_hits(list(range(run.steps))[::-1], run.mistake) for run in runs],
        "longest step": [to_hits(rank_steps(np.array(run.lengths, float)), run.mistake) for run in runs],
        "usual position": [to_hits(_usual_order(run, runs), run.mistake) for run in runs],
    }


def measure_locating(runs: Sequence[MarkedRun], hits: Mapping[str, Sequence[Hits]], seed: int = 0) -> list[Located]:
    """Return each method's figures. Intervals draw whole tasks, the same ones for every method."""
    tasks = sorted({run.task for run in runs})
    place = {task: number for number, task in enumerate(tasks)}
    home = np.array([place[run.task] for run in runs])
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(tasks), np.full(len(tasks), 1 / len(tasks)), size=DRAWS)[:, home].astype(float)
    base = np.array([random_hits(run) for run in runs])
    found = []
    for method, values in hits.items():
        table = np.array(values)
        spread = drawn @ table / drawn.sum(1, keepdims=True)
        apart = drawn @ (table - base) / drawn.sum(1, keepdims=True)
        found.append(
            Located(
                method,
                len(runs),
                len(tasks),
                {name: float(table[:, column].mean()) for column, name in enumerate(NAMES)},
                {name: to_interval(spread[:, column]) or (0.0, 0.0) for column, name in enumerate(NAMES)},
                {name: to_interval(apart[:, column]) or (0.0, 0.0) for column, name in enumerate(NAMES)},
            )
        )
    return found


def _usual_order(run: MarkedRun, runs: Sequence[MarkedRun]) -> list[int]:
    """Return positions by how often they are the mark in runs of other tasks."""
    counts = Counter(other.mistake for other in runs if other.task != run.task)
    return sorted(range(run.steps), key=lambda place: (-counts[place], place))
