"""Hashed n-grams: equal to a slow, obvious reference, normalised, bounded."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.features.featuriser import NgramFeaturiser, encode_fields, encode_views
from monitors.features.ngrams import MAX_WORDS, N_SLOTS, NGRAM_FIELDS, Vocabulary, hash_ngrams
from monitors.features.splitting import FNV_BASIS, LONG, split_words
from monitors.stepview import StepView, to_text

MASK = 0xFFFFFFFF


def reference_slots(text: bytes, seed: int) -> list[int]:
    """Slots of the word 1- and 2-grams of one field, in plain Python; a word comes before the pair that it ends."""
    words = re.findall(rb"[a-z0-9_\x80-\xff]+", text.lower())[:MAX_WORDS]
    hashes = [fnv(word, 2166136261 ^ (seed * 40503 + 1)) for word in words]
    slots = [mix(one) for one in hashes[:1]]
    for left, right in pairwise(hashes):
        slots += [mix(right), mix((left * 2654435761 & MASK) ^ right)]
    return slots


def fnv(word: bytes, basis: int) -> int:
    for byte in word:
        basis = (basis ^ byte) * 16777619 & MASK
    return basis


def mix(value: int) -> int:
    value = (value ^ value >> 16) * 0x85EBCA6B & MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & MASK
    return (value ^ value >> 16) % N_SLOTS


def reference_weights(fields: list[bytes], row_of_slot: dict[int, int], idf: list[float]) -> list[tuple[int, float]]:
    """(row, weight) of the known n-grams of one raw step, field by field, in the order in which they first occur."""
    found = []
    for seed, text in enumerate(fields):
        counts = Counter(row_of_slot[slot] for slot in reference_slots(text, seed) if slot in row_of_slot)
        weights = {row: (1 + math.log(count)) * idf[row] for row, count in counts.items()}
        length = math.sqrt(sum(weight**2 for weight in weights.values()))
        found += [(row, weight / length) for row, weight in weights.items()]
    return found


def slots_of(text: str, seed: int = 0) -> list[int]:
    out = np.empty(2 * MAX_WORDS, np.int64)
    return out[: hash_ngrams(np.frombuffer(text.encode("utf-8", "replace"), np.uint8), seed, out)].tolist()


def full_vocabulary() -> Vocabulary:
    rng = np.random.default_rng(0)
    return Vocabulary.from_arrays(np.arange(N_SLOTS, dtype=np.int32), rng.uniform(0.5, 9.0, N_SLOTS).astype(np.float32))


FULL = full_vocabulary()
TEXT = st.text(alphabet=st.sampled_from("abAB09_ .-é中\n\ud83d\ude00"), max_size=60) | st.text(max_size=40)
VIEWS = st.builds(
    StepView,
    observation=TEXT,
    action=TEXT,
    tool=TEXT,
    args=st.none() | TEXT | st.lists(TEXT, max_size=3),
    result=st.none() | TEXT,
)


@given(TEXT, st.integers(0, 4))
def test_slots_are_those_of_the_reference(text: str, seed: int) -> None:
    assert sorted(slots_of(text, seed)) == sorted(reference_slots(text.encode("utf-8", "replace"), seed))


@given(st.lists(VIEWS, min_size=1, max_size=5), st.integers(1, 2))
def test_a_batch_of_raw_steps_is_featurised_as_one_by_one_to_the_bit(views: list[StepView], version: int) -> None:
    featuriser = NgramFeaturiser(FULL, shape_version=version)
    memories = [featuriser.step(view, featuriser.initial_memory()).memory for view in reversed(views)]

    batch, after = featuriser.step_batch(views, memories)

    rows, weights = batch.pad()
    for index, (view, memory) in enumerate(zip(views, memories, strict=True)):
        alone = featuriser.step(view, memory)
        size = alone.rows.size
        assert (rows[index, :size].tolist(), weights[index, :size].tolist()) == (
            alone.rows.tolist(),
            alone.weights.tolist(),
        )
        assert not weights[index, size:].any()
        assert batch.shape[index].tolist() == alone.shape.tolist()
        assert batch.opens[index] == alone.opens
        assert after[index].tolist() == alone.memory.tolist()


def test_a_memory_out_of_a_batch_keeps_no_other_alive() -> None:
    featuriser = NgramFeaturiser(FULL, shape_version=2)
    memories = [featuriser.initial_memory() for _ in range(3)]

    _, after = featuriser.step_batch([StepView(action="one", actions=1)] * 3, memories)

    assert all(memory.base is None for memory in after)
    assert not any(memory.any() for memory in memories)


@given(st.lists(VIEWS, min_size=1, max_size=4))
def test_bytes_and_ends_are_those_of_each_field_alone(views: list[StepView]) -> None:
    texts = [to_text(getattr(view, name)) for view in views for name in NGRAM_FIELDS]

    raw, ends = encode_views(views)

    assert [raw[start:end].tobytes() for start, end in pairwise([0, *ends.reshape(-1).tolist()])] == [
        text.encode("utf-8", "replace") for text in texts
    ]


@given(TEXT, st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))
def test_words_long_ones_and_those_of_two_bytes_are_those_of_the_reference_as_far_as_there_is_room(
    text: str, room: int, room_long: int, room_pairs: int
) -> None:
    words, long_words, pairs = (np.empty(size + 1, np.uint32) for size in (room, room_long, room_pairs))
    found = re.findall(rb"[a-z0-9_\x80-\xff]+", text.encode("utf-8", "replace").lower())

    raw = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
    count, count_long, count_pairs = split_words(raw, 7, words, long_words, pairs)

    assert words[:count].tolist() == [fnv(word, 7) for word in found[:room]]
    long = [word for word in found if len(word) >= LONG][:room_long]
    assert long_words[:count_long].tolist() == [fnv(word, FNV_BASIS) for word in long]
    # As far as the pass goes: it ends where there is room for neither words nor long ones.
    of_two = [fnv(word, FNV_BASIS) for word in found if len(word) == 2]
    assert pairs[:count_pairs].tolist() == of_two[:count_pairs]
    if len(found) < room or len([word for word in found if len(word) >= LONG]) < room_long:
        assert count_pairs == min(len(of_two), room_pairs)


@given(VIEWS)
def test_rows_and_weights_are_those_of_the_reference(view: StepView) -> None:
    kept = np.arange(0, N_SLOTS, 2, dtype=np.int32)
    vocabulary = Vocabulary.from_arrays(kept, FULL.idf[: kept.size])
    featuriser = NgramFeaturiser(vocabulary)
    text, ends = encode_fields(view)
    fields = [text[start:end].tobytes() for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    rows = {int(slot): row for row, slot in enumerate(kept)}

    step = featuriser.step(view, featuriser.initial_memory())

    expected = reference_weights(fields, rows, vocabulary.idf.tolist())
    assert step.rows.tolist() == [row for row, _ in expected]
    assert step.weights == pytest.approx([weight for _, weight in expected], rel=1e-5)


def test_letter_case_and_punctuation_do_not_matter() -> None:
    assert slots_of("Order, SHOES!") == slots_of("  order\tshoes ")


def test_the_field_matters() -> None:
    assert not set(slots_of("refund order", 0)) & set(slots_of("refund order", 1))


def test_the_order_of_two_words_matters() -> None:
    one, other = slots_of("blue shoes"), slots_of("shoes blue")

    assert len(set(one) & set(other)) == 2
    assert set(one) != set(other)


def test_words_of_other_scripts_are_words() -> None:
    assert len(slots_of("中文 текст")) == 3


def test_no_more_words_are_read_than_the_bound() -> None:
    text = " ".join(f"w{number}" for number in range(MAX_WORDS + 500))

    slots = slots_of(text)

    assert len(slots) == 2 * MAX_WORDS - 1
    assert slots == slots_of(text[: text.index(f" w{MAX_WORDS}")])


def test_a_step_with_every_field_over_the_bound_is_featurised() -> None:
    words = " ".join(f"w{number}" for number in range(MAX_WORDS + 500))
    view = StepView(observation=words, action=words, tool=words, args=words, result=words)

    step = NgramFeaturiser(FULL).step(view, np.zeros(62, np.int64))

    assert step.rows.size <= len(NGRAM_FIELDS) * 2 * MAX_WORDS
    assert np.isfinite(step.weights).all()


@given(VIEWS)
def test_the_weights_of_each_field_with_a_word_have_length_one(view: StepView) -> None:
    step = NgramFeaturiser(FULL).step(view, np.zeros(62, np.int64))
    text, ends = encode_fields(view)
    fields = [text[start:end].tobytes() for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    with_words = sum(bool(reference_slots(field, 0)) for field in fields)

    assert float((step.weights.astype(float) ** 2).sum()) == pytest.approx(with_words, abs=1e-4)


def test_a_word_said_more_often_and_a_rarer_word_weigh_more() -> None:
    slots = [slots_of("common")[0], slots_of("rare")[0]]
    vocabulary = Vocabulary.from_arrays(np.array(slots, np.int32), np.array([1.0, 5.0], np.float32))

    def weights(text: str) -> dict[int, float]:
        step = NgramFeaturiser(vocabulary).step(StepView(observation=text), np.zeros(62, np.int64))
        return dict(zip(step.rows.tolist(), step.weights.tolist(), strict=True))

    assert weights("common rare") == pytest.approx({0: 1 / math.sqrt(26), 1: 5 / math.sqrt(26)})
    assert weights("common common rare")[0] > weights("common rare")[0]


def test_unknown_words_give_nothing() -> None:
    vocabulary = Vocabulary.from_arrays(np.zeros(0, np.int32), np.zeros(0, np.float32))

    assert NgramFeaturiser(vocabulary).step(StepView(action="hello"), np.zeros(62, np.int64)).rows.size == 0


def test_a_vocabulary_comes_back_from_its_arrays() -> None:
    slots, idf = np.array([7, 3, 262_143], np.int32), np.array([1.0, 2.0, 3.0], np.float32)

    arrays = Vocabulary.from_arrays(slots, idf).to_arrays()

    assert arrays["slots"].tolist() == slots.tolist()
    assert arrays["idf"].tolist() == idf.tolist()


@pytest.mark.parametrize(("slots", "n_idf"), [([1, 2], 3), ([N_SLOTS], 1), ([-1], 1)])
def test_arrays_that_do_not_fit_are_refused(slots: list[int], n_idf: int) -> None:
    with pytest.raises(ValueError, match="a vocabulary needs"):
        Vocabulary.from_arrays(np.array(slots, np.int32), np.ones(n_idf, np.float32))
