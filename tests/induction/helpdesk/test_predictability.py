"""Failure at the help desk can be predicted in part, from what is done and said; the clock or one word will not do.

The protocol is that of the project's benchmark: five folds by task, a threshold from the successes of one fold, figures
from another. The learner is a plain logistic regression on the words of the prefix and a few counts.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from induction.helpdesk import HelpdeskRun, simulate
from induction.helpdesk.corpus import FOLDS, compute_fold
from induction.helpdesk.tools import CHANGES
from induction.helpdesk.trace import AgentCalled, AgentSaid, CustomerSaid, ToolCall

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RUNS = 900
ALPHA = 0.10
TURN = 5
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Prefix:
    """What is known after one turn: words and pairs with their counts, counts of the run's shape, characters so far."""

    words: dict[str, int]
    shape: tuple[float, ...]
    chars: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """Runs of one seed with their prefixes; `failed`, `fold` and `turns` are arrays over the runs."""

    prefixes: list[list[Prefix]]
    failed: np.ndarray
    fold: np.ndarray
    turns: np.ndarray

    @property
    def long(self) -> np.ndarray:
        """Indices of the runs that are still going after turn 5."""
        return np.flatnonzero(self.turns > TURN)


def split_turns(run: HelpdeskRun) -> list[tuple[str, ToolCall | None]]:
    """Text and call of each turn; what a customer says belongs to the turn that it answers."""
    turns: list[tuple[str, ToolCall | None]] = []
    opening = ""
    for event in run.events:
        if isinstance(event, CustomerSaid) and not turns:
            opening = event.text
        elif isinstance(event, CustomerSaid):
            turns[-1] = (f"{turns[-1][0]} {event.text}", turns[-1][1])
        elif isinstance(event, AgentSaid):
            turns.append((event.text, None))
        elif isinstance(event, AgentCalled):
            turns += [(f"{c.name} {json.dumps(c.args)} {json.dumps(c.result)}", c) for c in event.calls]
    return [(f"{opening} {turns[0][0]}", turns[0][1]), *turns[1:]]


def build_prefixes(run: HelpdeskRun) -> list[Prefix]:
    words: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    prefixes, chars, errors, texts, changes, unchecked, verified, before = [], 0, 0, 0, 0, 0, False, "start"
    for index, (text, call) in enumerate(split_turns(run)):
        tokens = WORD.findall(text.lower())
        words.update(tokens)
        words.update(f"{a} {b}" for a, b in pairwise(tokens))
        act = f"{call.name}{'!' * bool(call.error)}" if call else "says"
        words[f"{before} > {act}"] += 1
        before = act
        chars += len(text)
        texts += call is None
        if call is not None:
            seen[f"{call.name} {json.dumps(call.args)}"] += 1
            errors += bool(call.error)
            verified |= call.name == "verify_identity" and not call.error
            changes += call.name in CHANGES and not call.error
            unchecked += call.name in CHANGES and not call.error and not verified
        failing = bool(call and call.error)
        repeats = sum(seen.values()) - len(seen)
        shape = (math.log1p(index), errors / 3, failing, repeats / 2, unchecked > 0, verified, changes / 2, texts / 4)
        prefixes.append(Prefix(dict(words), tuple(map(float, shape)), chars))
    return prefixes


@pytest.fixture(scope="module", params=[42, 2026])
def corpus(request: pytest.FixtureRequest) -> Corpus:
    runs = list(simulate(RUNS, request.param))
    return Corpus(
        prefixes=[build_prefixes(run) for run in runs],
        failed=np.array([not run.success for run in runs]),
        fold=np.array([compute_fold(run.task_id) for run in runs]),
        turns=np.array([run.turns for run in runs]),
    )


def measure_alerts(corpus: Corpus, scores: list[dict[int, np.ndarray]]) -> tuple[float, float]:
    """False alarms among successes and recall before the last turn; scores[f] has those of folds f and f + 1."""
    false_alarms, caught = [], []
    for fold in range(FOLDS):
        calibration = np.flatnonzero((corpus.fold == (fold + 1) % FOLDS) & ~corpus.failed)
        maxima = sorted(float(scores[fold][i].max()) for i in calibration)
        threshold = maxima[math.ceil((len(maxima) + 1) * (1 - ALPHA)) - 1]
        for i in np.flatnonzero(corpus.fold == fold):
            alerts = np.flatnonzero(scores[fold][i] > threshold)
            if corpus.failed[i]:
                caught.append(alerts.size > 0 and alerts[0] < corpus.turns[i] - 1)
            else:
                false_alarms.append(alerts.size > 0)
    return float(np.mean(false_alarms)), float(np.mean(caught))


def measure_auroc(failed: np.ndarray, score: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(failed, score))


def learn_scores(corpus: Corpus) -> list[dict[int, np.ndarray]]:
    """For every test fold the scores of its runs and of the calibration fold's, learned on the other three."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    scores = []
    for fold in range(FOLDS):
        held_out = np.isin(corpus.fold, (fold, (fold + 1) % FOLDS))
        train, rest = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        frequency = Counter(word for i in train for word in corpus.prefixes[i][-1].words)
        column = {word: n for n, word in enumerate(sorted(word for word, runs in frequency.items() if runs >= 12))}

        def encode(prefixes: list[Prefix], column: dict[str, int] = column) -> csr_matrix:
            values: list[float] = []
            columns: list[int] = []
            starts = [0]
            for prefix in prefixes:
                known = [(column[word], count) for word, count in prefix.words.items() if word in column]
                columns += [n for n, _ in known]
                values += [0.25 * (1 + math.log(count)) for _, count in known]
                columns += range(len(column), len(column) + len(prefix.shape))
                values += prefix.shape
                starts.append(len(columns))
            return csr_matrix((values, columns, starts), shape=(len(prefixes), len(column) + len(prefixes[0].shape)))

        chosen = [(i, t) for i in train for t in {4, 7, 11, corpus.turns[i] - 2} if t < corpus.turns[i]]
        model = LogisticRegression(C=0.1, solver="liblinear", max_iter=300)
        model.fit(encode([corpus.prefixes[i][t] for i, t in chosen]), [corpus.failed[i] for i, _ in chosen])
        flat = model.decision_function(encode([prefix for i in rest for prefix in corpus.prefixes[i]]))
        ends = np.cumsum(corpus.turns[rest])
        scores.append(dict(zip(rest.tolist(), np.split(flat, ends[:-1]), strict=True)))
    return scores


def test_the_clock_alone_catches_hardly_any_failure(corpus: Corpus) -> None:
    clock = {i: np.arange(turns, dtype=float) for i, turns in enumerate(corpus.turns)}
    _, recall = measure_alerts(corpus, [clock] * FOLDS)
    assert recall <= 0.2


def test_no_single_word_tells_the_outcome_at_turn_five(corpus: Corpus) -> None:
    present = [set(corpus.prefixes[i][TURN - 1].words) for i in corpus.long]
    failed = corpus.failed[corpus.long]
    frequency = Counter(word for words in present for word in words if " " not in word)
    for word in frequency:
        has = np.array([word in words for words in present])
        auroc = 0.5 + abs(has[failed].mean() - has[~failed].mean()) / 2
        assert auroc <= 0.7, word


def test_no_length_tells_the_outcome_at_turn_five(corpus: Corpus) -> None:
    failed = corpus.failed[corpus.long]
    prefixes = [corpus.prefixes[i][TURN - 1] for i in corpus.long]
    for length in (
        np.array([prefix.chars for prefix in prefixes]),
        np.array([len(prefix.words) for prefix in prefixes]),
        corpus.turns[corpus.long],
    ):
        auroc = measure_auroc(failed, length)
        assert max(auroc, 1 - auroc) <= 0.7


def test_a_plain_learner_foresees_most_failures_of_new_tasks(corpus: Corpus) -> None:
    scores = learn_scores(corpus)
    at_five, near_end = [], []
    for fold in range(FOLDS):
        tested = [i for i in np.flatnonzero(corpus.fold == fold) if corpus.turns[i] > TURN]
        failed = corpus.failed[tested]
        at_five.append(measure_auroc(failed, np.array([scores[fold][i][TURN - 1] for i in tested])))
        near_end.append(measure_auroc(failed, np.array([scores[fold][i][-2] for i in tested])))
    false_alarms, recall = measure_alerts(corpus, scores)
    figures = f"at five {np.mean(at_five):.3f}, near end {np.mean(near_end):.3f}, {false_alarms:.3f} / {recall:.3f}"
    assert np.mean(at_five) >= 0.72, figures
    assert np.mean(near_end) >= 0.85, figures
    assert recall > 0.6, figures
    assert false_alarms <= 0.15, figures
