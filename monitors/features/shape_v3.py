"""Run-shape numbers, version 3: those of version 2, then how much of the request the run has covered.

The content words of the request (no function words, at most MAX_REQUEST_WORDS distinct ones) are kept exactly, as
32-bit hashes in a table of fixed size; bits beside it say which of them results and actions have held, in the open turn
and in the run. Beside them, how many words the agent has brought that nothing before had held. All causal; the memory
is int64 [MEMORY_SIZE], and one raw step costs the same at step 10 and at step 10,000.

Left out: how many words a request has, and which: with few tasks they only name the task.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitors.features import shape, shape_v2
from monitors.features.compiling import choose_cache_dir
from monitors.features.splitting import FNV_BASIS, LETTERS, MAX_LONG_WORDS, FieldWords

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

VERSION = 3
SLOTS = 128
"""Places of the table of request words: two 64-bit integers of bits beside it."""
MAX_REQUEST_WORDS = 96
"""Distinct request words kept: the table stays three quarters full at most, so that looking one up ends soon."""
N_BITS = SLOTS // 64
SHORTEST = 2
"""Bytes of a content word at least: sizes and counts are often two digits. One less than LONG: content words are the
words of two bytes and the long ones.
"""

STOP_WORDS = frozenset(
    [
        "the",
        "a",
        "an",
        "and",
        "or",
        "of",
        "to",
        "in",
        "is",
        "are",
        "be",
        "i",
        "you",
        "it",
        "for",
        "on",
        "with",
        "that",
        "this",
        "my",
        "me",
        "your",
        "have",
        "has",
        "from",
        "at",
        "as",
        "by",
        "not",
        "but",
        "can",
        "do",
        "need",
        "want",
        "looking",
        "would",
        "like",
        "am",
        "so",
        "im",
        "will",
        "please",
        "some",
        "what",
        "which",
        "how",
        "who",
        "when",
        "where",
        "was",
        "were",
        "their",
        "its",
        "if",
        "then",
        "than",
        "about",
        "any",
        "all",
        "there",
        "out",
        "up",
        "no",
        "we",
        "they",
        "he",
        "she",
        "his",
        "her",
        "our",
        "into",
        "over",
        "only",
        "just",
        "also",
        "more",
        "other",
    ]
)
"""Words that say nothing about what is asked; n-grams learn the rest."""

_FIRST = shape_v2.MEMORY_SIZE
(
    N_REQUEST, RESULT_BEST, RESULT_SUM, CLOSED, ACTION_WORDS, ACTION_NEW, ACTION_BORROWED,
) = range(_FIRST, _FIRST + 7)  # fmt: skip
IN_RESULTS, IN_ACTIONS, OPEN_RESULT, OPEN_ACTION = (_FIRST + 7 + N_BITS * place for place in range(4))
"""Bits of request words that results and actions have held, in the run and in the open turn."""
TABLE = _FIRST + 7 + 4 * N_BITS
"""Two words to an integer: the hash of slot 2 i in the low half of TABLE + i, that of slot 2 i + 1 in the high half."""
MEMORY_SIZE = TABLE + SLOTS // 2

SHAPE_NAMES = (
    *shape_v2.SHAPE_NAMES,
    "request_in_results", "request_in_best_result", "request_in_result", "request_in_actions", "request_in_action",
    "mean_request_in_result", "brought_words", "brought_share", "borrowed_share",
)  # fmt: skip
N_SHAPE = len(SHAPE_NAMES)


def _to_stop_table() -> NDArray[np.uint32]:
    """Return the hashes of STOP_WORDS by their lowest 13 bits, 0 where there is none."""
    table = np.zeros(8192, np.uint32)
    for word in sorted(STOP_WORDS):
        value = shape_v2.hash_word(word)
        if table[value & 8191]:
            raise ValueError(f"{word!r} shares its place with another stop word")
        table[value & 8191] = value
    return table


_STOP_HASHES = _to_stop_table()


@njit(cache=True, nogil=True, inline="always")
def _find(memory: NDArray[np.int64], word: np.uint32) -> np.int64:
    """Return the slot of a request word, or -1 less the free slot where it would stand."""
    slot = np.int64(word ^ (word >> np.uint32(15))) & np.int64(SLOTS - 1)
    while True:
        pair = np.uint64(memory[TABLE + (slot >> 1)])
        held = np.uint32(pair >> np.uint64(32)) if slot & 1 else np.uint32(pair & np.uint64(0xFFFFFFFF))
        if held == word:
            return slot
        if held == 0:
            return np.int64(-1) - slot
        slot = (slot + np.int64(1)) & np.int64(SLOTS - 1)
    return np.int64(-1)


@njit(cache=True, nogil=True, inline="always")
def _put(memory: NDArray[np.int64], bits: int, slot: np.int64) -> None:
    memory[bits + (slot >> 6)] |= np.int64(1) << np.int64(slot & 63)


@njit(cache=True, nogil=True)
def _count(memory: NDArray[np.int64], bits: int) -> int:
    total = 0
    for place in range(N_BITS):
        value = np.uint64(memory[bits + place])
        while value != 0:
            value &= value - np.uint64(1)
            total += 1
    return total


@njit(cache=True, nogil=True)
def _take_words(memory: NDArray[np.int64], text: NDArray[np.uint8], role: int, asks: bool) -> None:
    """Take the words of one field. Roles: 1 action or arguments, 2 result; `asks`: it is part of the request."""
    n_words, position = 0, 0
    while position < text.size and n_words < MAX_LONG_WORDS:
        letter = LETTERS[text[position]]
        if letter == 0:
            position += 1
            continue
        word, first = np.uint32(FNV_BASIS), position
        while letter != 0:
            word = np.uint32((word ^ letter) * np.uint32(16777619))
            position += 1
            if position == text.size:
                break
            letter = LETTERS[text[position]]
        if position - first < SHORTEST or word == 0 or _STOP_HASHES[word & np.uint32(8191)] == word:
            continue
        n_words += 1
        if asks:
            _ask(memory, word)
            continue
        slot = _find(memory, word)
        if slot >= 0:
            _put(memory, OPEN_ACTION if role == 1 else OPEN_RESULT, slot)


@njit(cache=True, nogil=True)
def _note_words(memory: NDArray[np.int64], words: NDArray[np.uint32], bits: int) -> None:
    """Note which request words are among these content words: in any order, and any number of times."""
    for word in words:
        if word == 0 or _STOP_HASHES[word & np.uint32(8191)] == word:
            continue
        slot = _find(memory, word)
        if slot >= 0:
            _put(memory, bits, slot)


@njit(cache=True, nogil=True)
def _compare(
    memory: NDArray[np.int64],
    text: NDArray[np.uint8],
    words: NDArray[np.uint32],
    pairs: NDArray[np.uint32],
    role: int,
) -> None:
    """Take the words of one field that is no part of the request: as hashes where they are all there, else byte by
    byte.
    """
    if words.size + pairs.size < MAX_LONG_WORDS:
        bits = OPEN_ACTION if role == 1 else OPEN_RESULT
        _note_words(memory, words, bits)
        _note_words(memory, pairs, bits)
    else:
        _take_words(memory, text, role, False)


@njit(cache=True, nogil=True)
def _ask(memory: NDArray[np.int64], word: np.uint32) -> None:
    if memory[N_REQUEST] >= MAX_REQUEST_WORDS:
        return
    slot = _find(memory, word)
    if slot >= 0:
        return
    slot = -1 - slot
    shift = np.uint64(32) if slot & 1 else np.uint64(0)
    memory[TABLE + (slot >> 1)] = np.int64(np.uint64(memory[TABLE + (slot >> 1)]) | (np.uint64(word) << shift))
    memory[N_REQUEST] += 1


@njit(cache=True, nogil=True)
def update_memory(
    memory: NDArray[np.int64], text: NDArray[np.uint8], ends: NDArray[np.int64], actions: int, is_error: bool
) -> None:
    """Take one raw step into the memory, in place; arguments as in version 1."""
    words, word_ends = shape_v2.split_fields(text, ends)
    _take_step(memory, text, ends, words[0], word_ends[0, 0], words[1], word_ends[1, 0], actions, is_error)


@njit(cache=True, nogil=True)
def _take_step(
    memory: NDArray[np.int64],
    text: NDArray[np.uint8],
    ends: NDArray[np.int64],
    words: NDArray[np.uint32],
    word_ends: NDArray[np.int64],
    pairs: NDArray[np.uint32],
    pair_ends: NDArray[np.int64],
    actions: int,
    is_error: bool,
) -> None:
    """Take one raw step whose long words are known, as in version 2, and those of two bytes likewise."""
    if actions > 0:
        _close_turn(memory)
    shape_v2.take_step(memory, text, ends, words, word_ends, actions, is_error)
    # As in version 2: what comes before the first action is the request; without any, what answers the first action.
    asks = memory[shape.TURNS] == 0 or (memory[shape.TURNS] == 1 and memory[shape_v2.PRELUDE_WORDS] == 0)
    if memory[shape.TURNS] > 0 and memory[N_REQUEST] > 0:
        for field in (1, 3):
            before = field - 1
            _compare(
                memory,
                text[ends[before] : ends[field]],
                words[word_ends[before] : word_ends[field]],
                pairs[pair_ends[before] : pair_ends[field]],
                1,
            )
    if asks:
        _take_words(memory, text[: ends[0]], 2, True)
        _take_words(memory, text[ends[3] : ends[4]], 2, True)
    elif memory[N_REQUEST] > 0:
        _compare(
            memory,
            text[ends[3] : ends[4]],
            words[word_ends[3] : word_ends[4]],
            pairs[pair_ends[3] : pair_ends[4]],
            2,
        )
    for place in range(N_BITS):
        memory[IN_RESULTS + place] |= memory[OPEN_RESULT + place]
        memory[IN_ACTIONS + place] |= memory[OPEN_ACTION + place]
    memory[RESULT_BEST] = max(memory[RESULT_BEST], _count(memory, OPEN_RESULT))


@njit(cache=True, nogil=True)
def _close_turn(memory: NDArray[np.int64]) -> None:
    if memory[shape.TURNS] > 0:
        memory[CLOSED] += 1
    memory[RESULT_SUM] += _count(memory, OPEN_RESULT)
    memory[ACTION_WORDS] += memory[shape_v2.OPEN_ACTION_WORDS]
    memory[ACTION_NEW] += memory[shape_v2.OPEN_ACTION_NEW]
    memory[ACTION_BORROWED] += memory[shape_v2.OPEN_ACTION_FROM_RESULT]
    for place in range(N_BITS):
        memory[OPEN_RESULT + place] = 0
        memory[OPEN_ACTION + place] = 0


@njit(cache=True, nogil=True)
def write_shape(memory: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """Write the run-shape numbers (float32 [N_SHAPE], named by SHAPE_NAMES; counts and lengths as ln(1 + x))."""
    shape_v2.write_shape(memory, out)
    first = shape_v2.N_SHAPE
    asked = max(memory[N_REQUEST], 1)
    in_result = _count(memory, OPEN_RESULT)
    words = max(memory[ACTION_WORDS] + memory[shape_v2.OPEN_ACTION_WORDS], 1)
    brought = memory[ACTION_NEW] + memory[shape_v2.OPEN_ACTION_NEW]
    out[first] = _count(memory, IN_RESULTS) / asked
    out[first + 1] = memory[RESULT_BEST] / asked
    out[first + 2] = in_result / asked
    out[first + 3] = _count(memory, IN_ACTIONS) / asked
    out[first + 4] = _count(memory, OPEN_ACTION) / asked
    out[first + 5] = (memory[RESULT_SUM] + in_result) / ((memory[CLOSED] + 1) * asked)
    out[first + 6] = np.log1p(brought)
    out[first + 7] = brought / words
    out[first + 8] = (memory[ACTION_BORROWED] + memory[shape_v2.OPEN_ACTION_FROM_RESULT]) / words


@njit(cache=True, nogil=True)
def take_steps(
    memory: NDArray[np.int64],
    text: NDArray[np.uint8],
    ends: NDArray[np.int64],
    field_words: FieldWords,
    actions: NDArray[np.int64],
    is_error: NDArray[np.bool_],
    out: NDArray[np.float32],
) -> None:
    """Take one raw step of each of B runs into their memories, in place, and write their run-shape numbers; arguments
    as in version 1.
    """
    words, pairs = field_words[0][0], field_words[0][1]
    word_ends, pair_ends = field_words[1][0], field_words[1][1]
    start, first, first_pair = 0, 0, 0
    own = np.empty((3, ends.shape[1]), np.int64)
    own_ends, own_word_ends, own_pair_ends = own[0], own[1], own[2]
    for index in range(ends.shape[0]):
        for field in range(ends.shape[1]):
            own_ends[field] = ends[index, field] - start
            own_word_ends[field] = word_ends[index, field] - first
            own_pair_ends[field] = pair_ends[index, field] - first_pair
        end, last, last_pair = ends[index, -1], word_ends[index, -1], pair_ends[index, -1]
        _take_step(
            memory[index],
            text[start:end],
            own_ends,
            words[first:last],
            own_word_ends,
            pairs[first_pair:last_pair],
            own_pair_ends,
            actions[index],
            is_error[index],
        )
        write_shape(memory[index], out[index])
        start, first, first_pair = end, last, last_pair
