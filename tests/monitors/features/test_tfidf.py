"""TF-IDF of turns is scikit-learn's, counted as the turn grows."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from induction.learning.paper.vocabulary import NgramCounts, fit_tfidf, name_ngrams
from monitors.features.reading import read_featuriser
from monitors.features.tfidf import MAX_COUNT, MAX_ROWS, TfidfFeaturiser, TfidfVocabulary
from monitors.features.turn_text import render_raw_step
from monitors.stepview import StepView

TEXTS = [
    "The order of the shoes: the ORDER was late, a_b x 12 c 3D",
    "İstanbul ß ΑΣ ΑΣΑ Ünïcode 中文字 naïve café ٣٤ ²³ x́y",
    "",
    "a b c . - 1",
    "refund the order refund the order refund",
    'tool=find_user args={"name":"Zoë"} result=error: no such user',
]
MIXED = st.text(alphabet=st.sampled_from("abAB09_ .-éßÉİΣς中\n"), max_size=40) | st.text(max_size=30)
VIEWS = st.builds(
    StepView,
    observation=MIXED,
    action=MIXED,
    tool=st.sampled_from(["", "find_user"]),
    args=st.none() | MIXED | st.dictionaries(MIXED, MIXED, max_size=2),
    result=st.none() | MIXED,
    status=st.sampled_from(["", "ok", "error"]),
    actions=st.integers(0, 2),
)


def reference(texts: list[str], max_rows: int = MAX_ROWS) -> TfidfVectorizer:
    return TfidfVectorizer(max_features=max_rows, ngram_range=(1, 2)).fit(texts)


def fitted(texts: list[str]) -> TfidfVocabulary:
    return name_ngrams(fit_tfidf(texts), texts)


def to_matrix(vocabulary: TfidfVocabulary, vectoriser: TfidfVectorizer, texts: list[str]) -> np.ndarray:
    """Our weights, in the order of scikit-learn's columns."""
    rows, weights, offsets = vocabulary.transform(texts)
    found = sp.csr_matrix((weights, rows, offsets), shape=(len(texts), vocabulary.n_rows)).toarray()
    row_of = {name: row for row, name in enumerate(vocabulary.names)}
    return found[:, [row_of[name] for name in vectoriser.get_feature_names_out()]]


def test_vocabulary_and_weights_are_those_of_scikit_learn() -> None:
    vectoriser, vocabulary = reference(TEXTS), fitted(TEXTS)

    assert sorted(vocabulary.names) == sorted(vectoriser.get_feature_names_out())
    assert to_matrix(vocabulary, vectoriser, TEXTS) == pytest.approx(vectoriser.transform(TEXTS).toarray(), abs=1e-6)


@given(st.lists(MIXED, min_size=1, max_size=6))
@settings(max_examples=60)
def test_any_text_weighs_as_in_scikit_learn(texts: list[str]) -> None:
    vectoriser = reference([*TEXTS, *texts])
    vocabulary = fitted([*TEXTS, *texts])

    found = to_matrix(vocabulary, vectoriser, texts)

    assert found == pytest.approx(vectoriser.transform(texts).toarray(), abs=1e-6)


def test_the_most_frequent_ngrams_are_kept() -> None:
    texts = [" ".join(f"w{number}" for number in range(20) for _ in range(20 - number))]

    kept = name_ngrams(fit_tfidf(texts, 10), texts)

    assert set(kept.names) == set(reference(texts, 10).get_feature_names_out())


@given(st.lists(VIEWS, min_size=1, max_size=8))
@settings(max_examples=60)
def test_an_open_turn_weighs_as_its_text_so_far(views: list[StepView]) -> None:
    featuriser = TfidfFeaturiser(fitted(TEXTS))
    memory, text, turns = featuriser.initial_memory(), "", 0
    for view in views:
        step = featuriser.step(view, memory)
        memory = step.memory
        turns += view.actions
        if turns:
            text = render_raw_step(view) if view.actions else f"{text} {render_raw_step(view)}"
        rows, weights, _ = featuriser.vocabulary.transform([text])
        assert step.rows.tolist() == rows.tolist()
        assert step.weights == pytest.approx(weights, abs=1e-7)
        assert (int(memory[0]), step.opens) == (turns, view.actions > 0)


def test_a_given_memory_is_never_changed() -> None:
    featuriser = TfidfFeaturiser(fitted(TEXTS))
    memory = featuriser.step(StepView(action="the order", actions=1), featuriser.initial_memory()).memory
    before = memory.copy()

    featuriser.step(StepView(result="the order of shoes"), memory)

    assert memory.tolist() == before.tolist()


def test_words_on_both_sides_of_a_raw_steps_end_are_a_pair() -> None:
    featuriser = TfidfFeaturiser(fitted(["the order"] * 2))
    first = featuriser.step(StepView(action="the", actions=1), featuriser.initial_memory())
    joined = featuriser.vocabulary.weigh_turn("order", first.memory)

    assert {featuriser.vocabulary.names[row] for row in joined[0]} == {"the", "order", "the order"}


def test_memory_is_bounded_by_the_vocabulary_and_counts_by_their_limit() -> None:
    words = [f"w{number}" for number in range(MAX_ROWS + 500)]
    featuriser = TfidfFeaturiser(fit_tfidf([" ".join(words)]))
    memory = featuriser.initial_memory()
    for start in range(0, len(words), 1000):
        acts = int(start == 0)
        step = featuriser.step(StepView(action=" ".join(words[start : start + 1000] * 2), actions=acts), memory)
        memory = step.memory
    much = featuriser.vocabulary.weigh_turn(" ".join([words[0]] * (MAX_COUNT + 10)), featuriser.initial_memory())

    assert memory.size <= 3 + MAX_ROWS // 2
    assert step.rows.size <= MAX_ROWS
    assert int(much[2][3]) & MAX_COUNT == MAX_COUNT


def test_nothing_is_counted_before_the_first_action() -> None:
    featuriser = TfidfFeaturiser(fitted(TEXTS))
    step = featuriser.step(StepView(observation="the order"), featuriser.initial_memory())

    assert step.rows.size == 0
    assert not step.memory.any()


def test_metadata_never_enters_the_text() -> None:
    assert render_raw_step(StepView(metadata={"task": "secret"}, action="go", actions=1)) == "tool=NONE action=go"


def test_a_featuriser_comes_back_from_its_arrays() -> None:
    featuriser = TfidfFeaturiser(fitted(TEXTS))
    back = read_featuriser("tfidf", 0, featuriser.to_arrays())
    view = StepView(action="refund the order", actions=1)

    one, other = (maker.step(view, maker.initial_memory()) for maker in (featuriser, back))

    assert one.rows.tolist() == other.rows.tolist()
    assert one.weights.tolist() == other.weights.tolist()


def test_arrays_that_do_not_fit_are_refused() -> None:
    hashes = np.array([1 << 20, 1 << 20], np.uint64)

    with pytest.raises(ValueError, match="a TF-IDF vocabulary has"):
        TfidfVocabulary.from_arrays(hashes, np.ones(2))


def test_a_full_table_of_counts_keeps_what_is_frequent() -> None:
    counts = NgramCounts(places=1 << 8, most_places=1 << 8)
    for number in range(400):
        counts.add(f"often rare{number} also{number}")

    hashes, documents = counts.most_frequent(1)

    assert hashes.tolist() == fit_tfidf(["often"]).hashes.tolist()
    assert documents.tolist() == [400]


def test_features_are_many_times_faster_than_scikit_learns() -> None:
    """A light form of `scripts/measure_features.py`, which says by how much."""
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(3_000)]
    texts = [" ".join(rng.choice(words, 150)) for _ in range(150)]
    vectoriser, vocabulary = reference(texts), fit_tfidf(texts)

    def seconds(transform: object) -> float:
        assert callable(transform)
        taken = []
        for _ in range(7):
            start = time.process_time()
            transform(texts)
            taken.append(time.process_time() - start)
        return statistics.median(taken)

    assert seconds(vectoriser.transform) > 8 * seconds(vocabulary.transform)


def test_hashes_of_pairs_tell_their_order() -> None:
    names = fitted(["blue shoes", "shoes blue"]).names

    assert {"blue shoes", "shoes blue"} <= set(names)
    assert all(left != right for left, right in pairwise(sorted(names)))
