"""Linear models of words: n-grams of turns, logistic regressions on the outcome, and what a prefix makes of them.

Every model is a column of one table [n_rows, N_COLUMNS], so that serving is a weighted sum of a raw step's rows, and
the rest sums over turns. A prefix is the mean of its turns' vectors: an additive stand-in for the TF-IDF of the prefix
as a whole, whose memory would grow with the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array, vstack

from induction.learning.best.grams import Grams
from induction.learning.best.steps import Steps
from induction.learning.checkpoints import Remember, make_at_once
from monitors.features.ngrams import N_SLOTS, NGRAM_FIELDS, Vocabulary

MAX_ROWS = 1 << 15
MAX_ROWS_OF_RUNS = 1 << 17
"""Where tasks come again: the words that tell a task are rare, and worth their room (3 MB of graph)."""
RIDGE = 5e-4
"""Penalty beside a mean loss. On training folds held out 3e-4 was a little better on tau2-airline, 1e-3 on moatless and
webshop; 1e-2 was worse on the two corpora it was tried on."""
MAX_ITERATIONS = 30
ACTION_FIELDS = ("action", "tool", "args")
ANSWER_FIELDS = ("observation", "result")


@dataclass(frozen=True, slots=True)
class Column:
    """One linear model."""

    name: str
    label: str
    """"failure" in the end, "end" = at most 2 turns to come, "risk" = failure within 3 turns."""
    of_prefix: bool
    """Trained on means over the turns so far; else on single turns."""
    fields: tuple[str, ...] = NGRAM_FIELDS


COLUMNS = (
    Column("failure by prefix", "failure", of_prefix=True),
    Column("failure by turn", "failure", of_prefix=False),
    Column("failure by actions", "failure", of_prefix=True, fields=ACTION_FIELDS),
    Column("failure by answers", "failure", of_prefix=True, fields=ANSWER_FIELDS),
    Column("end by turn", "end", of_prefix=False),
    Column("risk by turn", "risk", of_prefix=False),
)
N_COLUMNS = len(COLUMNS)
TABLE_COSTS = (1.0,) * N_COLUMNS
"""How long the columns take beside one another."""
VOTES = (1.0, 1.0, 1.0, 0.4, 0.0, 0.0)
"""Shares of the columns' means over turns in the served failure logit, beside the network. Answers alone say the least
on four corpora and the most on gaia-react."""


def fit_vocabulary(steps: Steps, *, min_tasks: int = 3, max_rows: int = MAX_ROWS) -> Vocabulary:
    """Return the n-grams that occur in at least `min_tasks` tasks (two, if there are fewer than 30), the most frequent
    first, with idf ln((1 + n) / (1 + df)) + 1 over raw steps.
    """
    steps_with, tasks_with = np.zeros(N_SLOTS, np.int64), np.zeros(N_SLOTS, np.int64)
    n_tasks = 0
    # Task by task, so that one row of marks is enough.
    for _, runs in groupby(sorted(steps.runs, key=lambda run: run.task), key=lambda run: run.task):
        seen = np.zeros(N_SLOTS, np.bool_)
        for run in runs:
            slots = run.grams.read().slots
            steps_with += np.bincount(slots, minlength=N_SLOTS)
            seen[slots] = True
        tasks_with += seen
        n_tasks += 1
    needed = min(min_tasks, 2) if n_tasks < 30 else min_tasks
    kept = np.flatnonzero(tasks_with >= needed)
    if kept.size > max_rows:
        kept = np.sort(kept[np.argsort(-steps_with[kept], kind="stable")[:max_rows]])
    idf = np.log((1.0 + steps.run.size) / (1.0 + steps_with[kept])) + 1.0
    return Vocabulary.from_arrays(kept.astype(np.int32), idf.astype(np.float32))


def weigh_steps(steps: Steps, vocabulary: Vocabulary) -> tuple[csr_array, NDArray[np.int8]]:
    """Return float32 [S, n_rows], each raw step's weights as `ngrams.weigh_steps` makes them, and each row's field."""
    field_of_row = np.zeros(vocabulary.n_rows, np.int8)
    bags = [_weigh_run(run.grams.read(), vocabulary, field_of_row) for run in steps.runs]
    return vstack(bags, format="csr"), field_of_row


def _weigh_run(grams: Grams, vocabulary: Vocabulary, field_of_row: NDArray[np.int8]) -> csr_array:
    """Return one run's weights and fill in the fields of its rows."""
    n_steps = grams.offsets.size - 1
    step = np.repeat(np.arange(n_steps), np.diff(grams.offsets))
    row = vocabulary.row_of_slot[grams.slots]
    known = row >= 0
    row, step, field = row[known], step[known], grams.fields[known]
    weight = (1.0 + np.log(grams.counts[known])) * vocabulary.idf[row]
    place = step * len(NGRAM_FIELDS) + field
    squares = np.bincount(place, weight * weight, minlength=n_steps * len(NGRAM_FIELDS))
    weight = (weight / np.sqrt(squares[place])).astype(np.float32)
    field_of_row[row] = field
    return csr_array((weight, (step, row)), shape=(n_steps, vocabulary.n_rows))


def fit_table(
    steps: Steps,
    bags: csr_array,
    field_of_row: NDArray[np.int8],
    train: NDArray[np.bool_],
    remember: Remember = make_at_once,
) -> NDArray[np.float32]:
    """Return the columns' weights [n_rows, N_COLUMNS] learned from the runs of the mask `train` [R]; what is remembered
    are the columns by their places.
    """
    summing = csr_array(
        (np.ones(steps.run.size, np.float32), (steps.group, np.arange(steps.run.size))),
        shape=(steps.group_run.size, steps.run.size),
    )
    chosen = np.flatnonzero(train[steps.group_run])
    turns = (summing[chosen] @ bags).tocsr()
    table = np.zeros((bags.shape[1], N_COLUMNS), np.float32)
    for place, column in enumerate(COLUMNS):
        rows = np.flatnonzero(np.isin(field_of_row, [NGRAM_FIELDS.index(name) for name in column.fields]))
        examples = turns if rows.size == bags.shape[1] else turns[:, rows]
        table[rows, place] = remember(str(place), partial(_fit_column, steps, column, examples, chosen))
    return table


def _fit_column(steps: Steps, column: Column, turns: csr_array, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return weights [n_rows] of a logistic regression on the chosen groups, by L-BFGS."""
    run, place = steps.group_run[chosen], steps.group_place[chosen]
    fails = steps.fails[run]
    left = steps.last_turn[run] - steps.turns[steps.group_last[chosen]]
    label = {"failure": fails, "end": left <= 2, "risk": fails & (left <= 3)}[column.label].astype(np.float64)
    # On the outcome each run weighs the same, as it has one; on time each turn does.
    weight = 1.0 / np.bincount(run)[run] if column.label == "failure" else np.ones(run.size)
    weight /= weight.sum()
    first = np.flatnonzero(place == 0)
    back = turns.T.tocsr()
    mean = _PrefixMean(first[np.cumsum(place == 0) - 1], place)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, intercept = parameters[:-1], parameters[-1]
        score = turns @ weights
        score = (mean.of(score) if column.of_prefix else score) + intercept
        value = weight @ (np.logaddexp(0.0, score) - label * score) + 0.5 * RIDGE * (weights @ weights)
        slope = weight * (1.0 / (1.0 + np.exp(-score)) - label)
        gradient = back @ (mean.back(slope) if column.of_prefix else slope) + RIDGE * weights
        return float(value), np.append(gradient, slope.sum())

    start = np.zeros(turns.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS})
    weights: NDArray[np.float64] = found.x[:-1]
    return weights


@dataclass(frozen=True, slots=True)
class _PrefixMean:
    """Means over a run's groups so far, and their transpose: a gradient needs both."""

    first: NDArray[np.int64]
    """[G] place of the first group of each group's run."""
    place: NDArray[np.int64]
    """[G] place of each group in its run."""

    def of(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        summed = np.concatenate([[0.0], np.cumsum(score)])
        means: NDArray[np.float64] = (summed[1:] - summed[self.first]) / (self.place + 1)
        return means

    def back(self, slope: NDArray[np.float64]) -> NDArray[np.float64]:
        share = slope / (self.place + 1)
        summed = np.concatenate([[0.0], np.cumsum(share)])
        ends = np.append(np.flatnonzero(self.place == 0)[1:], self.place.size)
        end = ends[np.cumsum(self.place == 0) - 1]
        gradient: NDArray[np.float64] = summed[end] - summed[:-1]
        return gradient


def to_text_features(steps: Steps, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [S, 4 * N_COLUMNS] from each raw step's sums [S, N_COLUMNS]: the open turn so far, the turn before it, the
    one before that, and the mean over turns, the open one included.
    """
    running = np.concatenate([np.zeros((1, logits.shape[1])), np.cumsum(logits, 0, dtype=np.float64)])
    opened = running[1:] - running[steps.group_first[steps.group]]
    closed = opened[steps.group_last]
    sums = np.concatenate([np.zeros((1, logits.shape[1])), np.cumsum(closed, 0)])
    before = sums[:-1] - sums[steps.group_starts[steps.group_run]]
    mean = (before[steps.group] + opened) / (steps.group_place[steps.group] + 1)[:, None]
    lags = []
    for lag in (1, 2):
        lagged = np.zeros_like(closed)
        lagged[lag:] = closed[:-lag]
        lagged[steps.group_place < lag] = 0.0
        lags.append(lagged[steps.group])
    features: NDArray[np.float32] = np.concatenate([opened, *lags, mean], 1).astype(np.float32)
    return features
