"""How much faster than scikit-learn's TfidfVectorizer.transform the monitor's TF-IDF is: same texts, same vocabulary,
one process, one run; a batch of all texts, and one text at a time.

    python scripts/measure_features.py RAW --adapter ADAPTER.json [--outcomes runs.jsonl]

Processor time, not wall time: other programs on the machine then count less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

from induction.learning.labelled import LabelledCorpus
from induction.learning.paper.vocabulary import fit_tfidf, name_ngrams, turn_texts
from monitors.adapter import compile_adapter, read_spec

SINGLES = 400


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--outcomes", type=Path)
    parser.add_argument("--texts", type=int, default=3_000)
    parser.add_argument("--json", action="store_true", help="end with a line of JSON: how many times faster")
    given = parser.parse_args()
    spec = read_spec(given.adapter)
    corpus = LabelledCorpus(given.raw, spec, given.outcomes)
    texts = list(islice(turn_texts(corpus.runs(), compile_adapter(spec)), given.texts))
    vectoriser = TfidfVectorizer(max_features=4096, ngram_range=(1, 2)).fit(texts)
    vocabulary = name_ngrams(fit_tfidf(texts), texts)
    print(f"{len(texts)} turns of {statistics.mean(map(len, texts)):.0f} characters on average")
    print(f"greatest difference of a weight: {_difference(vectoriser, vocabulary, texts):.1e}")
    few = texts[:: max(1, len(texts) // SINGLES)][:SINGLES]
    faster: dict[str, float] = {}
    for name, theirs, ours, n in (
        ("batch", lambda: vectoriser.transform(texts), lambda: vocabulary.transform(texts), len(texts)),
        (
            "single",
            lambda: [vectoriser.transform([text]) for text in few],
            lambda: [vocabulary.transform([text]) for text in few],
            len(few),
        ),
    ):
        theirs_us, ours_us = _microseconds(theirs, n), _microseconds(ours, n)
        faster[name] = theirs_us / ours_us
        print(f"{name}: scikit-learn {theirs_us:.1f} µs, ours {ours_us:.1f} µs a turn: {faster[name]:.1f} times")
    if given.json:
        print(json.dumps(faster))


def _difference(vectoriser: TfidfVectorizer, vocabulary: object, texts: list[str]) -> float:
    rows, weights, offsets = vocabulary.transform(texts)  # type: ignore[attr-defined]
    names = vocabulary.names  # type: ignore[attr-defined]
    expected = vectoriser.transform(texts)
    shared = [name for name in vectoriser.get_feature_names_out() if name in set(names)]
    if len(shared) < len(names):
        # Ties at the last places: only turns' directions over what both know could be compared.
        print(f"{len(names) - len(shared)} n-grams differ, as frequent as others: choose --texts so that none does")
        return float("nan")
    row_of = {name: row for row, name in enumerate(names)}
    found = sp.csr_matrix((weights, rows, offsets), shape=(len(texts), len(names)))
    return float(abs(found[:, [row_of[name] for name in shared]] - expected).max())


def _microseconds(work: Callable[[], object], n: int) -> float:
    taken = []
    for _ in range(7):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return float(np.median(taken)) / n * 1e6


if __name__ == "__main__":
    main()
