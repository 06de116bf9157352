"""Run-shape numbers, version 2: those of version 1, then what a run's words repeat, borrow and bring, without knowing
them.

Words are hashed into bit sketches of fixed size (of the request, of the last and the open action and result, of all
words so far), so shares of new and of borrowed words are approximate: two words may share a bit. All causal, as in
version 1; the memory is int64 [MEMORY_SIZE] and one raw step costs the same at step 10 and at step 10,000.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitors.features import shape
from monitors.features.compiling import choose_cache_dir
from monitors.features.splitting import FNV_BASIS, LETTERS, LONG, MAX_LONG_WORDS, FieldWords, split_words

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

VERSION = 2
SKETCH = 16
"""Integers of a sketch: 1,024 bits."""
SEEN_SKETCH = 64
"""Integers of the sketch of all words of the run: 4,096 bits."""
TOOL_BINS = 16
N_KINDS = 5
_ROLES = (0, 1, -1, 1, 2)
"""Of the fields for the sketches, in their order; -1 = not read."""

LEXICON = (
    ("thank", "thanks", "goodbye", "bye", "final", "finish", "finished", "done", "submit", "complete", "completed",
     "welcome", "answer", "conclude", "conclusion"),
    ("sorry", "unfortunately", "cannot", "unable", "apologize", "apologies", "impossible", "neither", "nor"),
    ("error", "errors", "failed", "failure", "fails", "invalid", "exception", "traceback", "wrong", "incorrect",
     "missing", "denied", "timeout", "none", "null"),
    ("maybe", "perhaps", "seems", "might", "probably", "assume", "again", "another", "instead", "however", "retry"),
    ("transfer", "human", "policy", "confirm", "yes", "proceed"),
)  # fmt: skip
"""Words that agents and tools of any kind end, refuse, fail, doubt and ask for consent with; n-grams learn the rest."""

_FIRST = shape.MEMORY_SIZE
# Places in the memory after those of version 1. The open turn's part is cleared when a turn opens.
(
    OPEN_ACTION_WORDS, OPEN_ACTION_NEW, OPEN_ACTION_AGAIN, OPEN_ACTION_FROM_RESULT, OPEN_ACTION_FROM_REQUEST,
    OPEN_RESULT_WORDS, OPEN_RESULT_NEW, OPEN_RESULT_AGAIN, OPEN_RESULT_FROM_REQUEST, OPEN_REPLY_WORDS, OPEN_REPLY_NEW,
    OPEN_DIGITS, PREVIOUS_ACTION_CHARS, PREVIOUS_RESULT_CHARS, LONGEST_RESULT_CHARS, QUESTIONS, RECENT_ERRORS,
    LAST_REPEAT_TURN, LAST_TALK_TURN, REPLIES, WORDS_SEEN, RESULT_WORDS, RESULT_NEW, PRELUDE_WORDS,
) = range(_FIRST, _FIRST + 24)  # fmt: skip
OPEN_KINDS = _FIRST + 24
"""Words of each kind of LEXICON in the open turn's action."""
OPEN_ANSWER_KINDS = OPEN_KINDS + N_KINDS
"""… in its result and observation."""
KINDS = OPEN_ANSWER_KINDS + N_KINDS
ANSWER_KINDS = KINDS + N_KINDS
TOOL_COUNTS = ANSWER_KINDS + N_KINDS
REQUEST = TOOL_COUNTS + TOOL_BINS
OPEN_ACTION, LAST_ACTION, OPEN_RESULT, LAST_RESULT = (REQUEST + SKETCH * place for place in (1, 2, 3, 4))
SEEN = LAST_RESULT + SKETCH
MEMORY_SIZE = SEEN + SEEN_SKETCH

SHAPE_NAMES = (
    *shape.SHAPE_NAMES,
    "tool_entropy", "tool_share", "action_novelty", "result_novelty", "reply_novelty", "action_again", "result_again",
    "action_from_result", "action_from_request", "result_from_request", "closing_now", "unable_now", "doubt_now",
    "consent_now", "closing_answered", "unable_answered", "problem_answered", "closings", "unables", "doubts",
    "problems", "action_words", "result_words", "words_seen", "previous_action_chars", "previous_result_chars",
    "longest_result_chars", "questions_so_far", "recent_errors", "turns_since_repeat", "turns_since_talk", "replies",
    "digit_share", "result_novelty_so_far", "steps",
)  # fmt: skip
N_SHAPE = len(SHAPE_NAMES)


@njit(cache=True, nogil=True, inline="always")
def _mix(word: int) -> int:
    mixed = np.uint32(word)
    mixed ^= mixed >> np.uint32(16)
    mixed = np.uint32(mixed * np.uint32(0x85EBCA6B))
    mixed ^= mixed >> np.uint32(13)
    return int(mixed)


def hash_word(word: str) -> int:
    """Return the 32-bit FNV-1a hash of a word, as the kernels make it of its bytes."""
    value = 2166136261
    for byte in word.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def _to_table() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (hash, kind) of the lexicon's words by the lowest 11 bits of their hash; kind -1 where there is none."""
    hashes, kinds = np.zeros(2048, np.int64), np.full(2048, -1, np.int64)
    for kind, words in enumerate(LEXICON):
        for word in words:
            place = hash_word(word) & 2047
            if kinds[place] >= 0:
                raise ValueError(f"{word!r} shares its place with another word of the lexicon")
            hashes[place], kinds[place] = hash_word(word), kind
    return hashes, kinds


_LEXICON_HASHES, _LEXICON_KINDS = _to_table()


@njit(cache=True, nogil=True, inline="always")
def _holds(memory: NDArray[np.int64], sketch: int, bit: int) -> int:
    return int((memory[sketch + (bit >> 6)] >> np.int64(bit & 63)) & 1)


@njit(cache=True, nogil=True, inline="always")
def _put(memory: NDArray[np.int64], sketch: int, bit: int) -> None:
    memory[sketch + (bit >> 6)] |= np.int64(1) << np.int64(bit & 63)


@njit(cache=True, nogil=True)
def _count_digits(text: NDArray[np.uint8], n_words: int) -> int:
    """Return how many digits stand in a field of so many long words, as far as these are read."""
    digits = 0
    for byte in text:
        digits += (byte >= 48) & (byte <= 57)
    if n_words < MAX_LONG_WORDS:
        return digits
    # As far as words are read.
    digits, length, n_words = 0, 0, 0
    for byte in text:
        if LETTERS[byte] != 0:
            length += 1
            digits += (byte >= 48) & (byte <= 57)
            continue
        n_words += length >= LONG
        length = 0
        if n_words == MAX_LONG_WORDS:
            break
    return digits


@njit(cache=True, nogil=True)
def _take_word(memory: NDArray[np.int64], word: int, role: int) -> None:
    """Take a word. Roles: 0 observation, 1 action or arguments, 2 result."""
    mixed = _mix(word)
    bit = mixed & 1023
    seen_bit = mixed & 4095
    new = 1 - _holds(memory, SEEN, seen_bit)
    if new:
        _put(memory, SEEN, seen_bit)
        memory[WORDS_SEEN] += 1
    place = word & 2047
    kind = _LEXICON_KINDS[place] if _LEXICON_HASHES[place] == word else -1
    if role == 1:
        memory[OPEN_ACTION_WORDS] += 1
        memory[OPEN_ACTION_NEW] += new
        memory[OPEN_ACTION_AGAIN] += _holds(memory, LAST_ACTION, bit)
        memory[OPEN_ACTION_FROM_RESULT] += _holds(memory, LAST_RESULT, bit)
        memory[OPEN_ACTION_FROM_REQUEST] += _holds(memory, REQUEST, bit)
        _put(memory, OPEN_ACTION, bit)
        if kind >= 0:
            memory[OPEN_KINDS + kind] += 1
        return
    if kind >= 0:
        memory[OPEN_ANSWER_KINDS + kind] += 1
    if memory[shape.TURNS] == 0:
        _put(memory, REQUEST, bit)
        memory[PRELUDE_WORDS] += 1
    elif memory[shape.TURNS] == 1 and memory[PRELUDE_WORDS] == 0:
        # Where nothing was said before the first action, its answer sets the task: an environment's reset.
        _put(memory, REQUEST, bit)
    if role == 0:
        memory[OPEN_REPLY_WORDS] += 1
        memory[OPEN_REPLY_NEW] += new
        return
    memory[OPEN_RESULT_WORDS] += 1
    memory[OPEN_RESULT_NEW] += new
    memory[OPEN_RESULT_AGAIN] += _holds(memory, LAST_RESULT, bit)
    memory[OPEN_RESULT_FROM_REQUEST] += _holds(memory, REQUEST, bit)
    _put(memory, OPEN_RESULT, bit)


@njit(cache=True, nogil=True)
def split_fields(text: NDArray[np.uint8], ends: NDArray[np.int64]) -> FieldWords:
    """Return the words of one raw step's fields."""
    words = np.empty((2, ends.size * MAX_LONG_WORDS + 1), np.uint32)
    word_ends = np.zeros((2, 1, ends.size), np.int64)
    start, count, count_pairs = 0, 0, 0
    for field in range(ends.size):
        room = words[0, count : count + MAX_LONG_WORDS + 1]
        room_pairs = words[1, count_pairs : count_pairs + MAX_LONG_WORDS + 1]
        found = split_words(text[start : ends[field]], FNV_BASIS, np.empty(1, np.uint32), room, room_pairs)
        count += found[1]
        count_pairs += found[2]
        word_ends[0, 0, field], word_ends[1, 0, field] = count, count_pairs
        start = ends[field]
    return words, word_ends


@njit(cache=True, nogil=True)
def update_memory(
    memory: NDArray[np.int64], text: NDArray[np.uint8], ends: NDArray[np.int64], actions: int, is_error: bool
) -> None:
    """Take one raw step into the memory, in place; arguments as in version 1."""
    words, word_ends = split_fields(text, ends)
    take_step(memory, text, ends, words[0], word_ends[0, 0], actions, is_error)


@njit(cache=True, nogil=True)
def take_step(
    memory: NDArray[np.int64],
    text: NDArray[np.uint8],
    ends: NDArray[np.int64],
    words: NDArray[np.uint32],
    word_ends: NDArray[np.int64],
    actions: int,
    is_error: bool,
) -> None:
    """Take one raw step whose long words are known: as hashes, one field after the other, ending at `word_ends`."""
    if actions > 0:
        _close_turn(memory)
    shape.update_memory(memory, text, ends, actions, is_error)
    start, first = 0, 0
    for field in range(ends.size):
        role = _ROLES[field]
        if role >= 0:
            for word in words[first : word_ends[field]]:
                _take_word(memory, int(word), role)
        if role == 1:
            memory[OPEN_DIGITS] += _count_digits(text[start : ends[field]], word_ends[field] - first)
        start, first = ends[field], word_ends[field]
    turns = memory[shape.TURNS]
    if actions > 0 and ends[2] > ends[1]:
        memory[TOOL_COUNTS + memory[shape.TOOL] % TOOL_BINS] += actions
    elif actions > 0:
        memory[LAST_TALK_TURN] = turns
    if memory[shape.OPEN_CALL_REPEATS] + memory[shape.OPEN_RESULT_REPEATS] > 0:
        memory[LAST_REPEAT_TURN] = turns


@njit(cache=True, nogil=True)
def _close_turn(memory: NDArray[np.int64]) -> None:
    memory[PREVIOUS_ACTION_CHARS] = memory[shape.OPEN_ACTION_CHARS] + memory[shape.OPEN_ARGS_CHARS]
    memory[PREVIOUS_RESULT_CHARS] = memory[shape.OPEN_RESULT_CHARS]
    memory[LONGEST_RESULT_CHARS] = max(memory[LONGEST_RESULT_CHARS], memory[shape.OPEN_RESULT_CHARS])
    memory[QUESTIONS] += memory[shape.OPEN_QUESTIONS]
    memory[RECENT_ERRORS] = memory[RECENT_ERRORS] * 7 // 10 + 1000 * memory[shape.OPEN_ERROR]
    memory[RESULT_WORDS] += memory[OPEN_RESULT_WORDS]
    memory[RESULT_NEW] += memory[OPEN_RESULT_NEW]
    if memory[shape.OPEN_OBSERVATION_CHARS] > 0:
        memory[REPLIES] += 1
    for kind in range(N_KINDS):
        memory[KINDS + kind] += memory[OPEN_KINDS + kind]
        memory[ANSWER_KINDS + kind] += memory[OPEN_ANSWER_KINDS + kind]
        memory[OPEN_KINDS + kind] = 0
        memory[OPEN_ANSWER_KINDS + kind] = 0
    for place in range(OPEN_ACTION_WORDS, OPEN_DIGITS + 1):
        memory[place] = 0
    for place in range(SKETCH):
        # A turn without words (or without a result) leaves the last ones to compare with.
        if memory[shape.OPEN_ACTION_CHARS] + memory[shape.OPEN_ARGS_CHARS] > 0:
            memory[LAST_ACTION + place] = memory[OPEN_ACTION + place]
        if memory[shape.OPEN_RESULT_CHARS] > 0:
            memory[LAST_RESULT + place] = memory[OPEN_RESULT + place]
        memory[OPEN_ACTION + place] = 0
        memory[OPEN_RESULT + place] = 0


@njit(cache=True, nogil=True)
def write_shape(memory: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """Write the run-shape numbers (float32 [N_SHAPE], named by SHAPE_NAMES; counts and lengths as ln(1 + x))."""
    shape.write_shape(memory, out)
    turns = memory[shape.TURNS]
    first = shape.N_SHAPE
    out[first], out[first + 1] = _tool_spread(memory)
    out[first + 2] = memory[OPEN_ACTION_NEW] / max(memory[OPEN_ACTION_WORDS], 1)
    out[first + 3] = memory[OPEN_RESULT_NEW] / max(memory[OPEN_RESULT_WORDS], 1)
    out[first + 4] = memory[OPEN_REPLY_NEW] / max(memory[OPEN_REPLY_WORDS], 1)
    out[first + 5] = memory[OPEN_ACTION_AGAIN] / max(memory[OPEN_ACTION_WORDS], 1)
    out[first + 6] = memory[OPEN_RESULT_AGAIN] / max(memory[OPEN_RESULT_WORDS], 1)
    out[first + 7] = memory[OPEN_ACTION_FROM_RESULT] / max(memory[OPEN_ACTION_WORDS], 1)
    out[first + 8] = memory[OPEN_ACTION_FROM_REQUEST] / max(memory[OPEN_ACTION_WORDS], 1)
    out[first + 9] = memory[OPEN_RESULT_FROM_REQUEST] / max(memory[OPEN_RESULT_WORDS], 1)
    out[first + 10] = np.log1p(memory[OPEN_KINDS])
    out[first + 11] = np.log1p(memory[OPEN_KINDS + 1] + memory[OPEN_KINDS + 2])
    out[first + 12] = np.log1p(memory[OPEN_KINDS + 3])
    out[first + 13] = np.log1p(memory[OPEN_KINDS + 4])
    out[first + 14] = np.log1p(memory[OPEN_ANSWER_KINDS])
    out[first + 15] = np.log1p(memory[OPEN_ANSWER_KINDS + 1])
    out[first + 16] = np.log1p(memory[OPEN_ANSWER_KINDS + 2])
    out[first + 17] = np.log1p(memory[KINDS] + memory[OPEN_KINDS])
    out[first + 18] = np.log1p(memory[KINDS + 1] + memory[OPEN_KINDS + 1])
    out[first + 19] = np.log1p(memory[KINDS + 3] + memory[OPEN_KINDS + 3])
    out[first + 20] = np.log1p(memory[ANSWER_KINDS + 2] + memory[OPEN_ANSWER_KINDS + 2])
    out[first + 21] = np.log1p(memory[OPEN_ACTION_WORDS])
    out[first + 22] = np.log1p(memory[OPEN_RESULT_WORDS])
    out[first + 23] = np.log1p(memory[WORDS_SEEN])
    out[first + 24] = np.log1p(memory[PREVIOUS_ACTION_CHARS])
    out[first + 25] = np.log1p(memory[PREVIOUS_RESULT_CHARS])
    out[first + 26] = np.log1p(max(memory[LONGEST_RESULT_CHARS], memory[shape.OPEN_RESULT_CHARS]))
    out[first + 27] = np.log1p(memory[QUESTIONS] + memory[shape.OPEN_QUESTIONS])
    out[first + 28] = 0.0007 * memory[RECENT_ERRORS] + memory[shape.OPEN_ERROR]
    out[first + 29] = np.log1p(turns - memory[LAST_REPEAT_TURN]) if memory[LAST_REPEAT_TURN] > 0 else 4.0
    out[first + 30] = np.log1p(turns - memory[LAST_TALK_TURN]) if memory[LAST_TALK_TURN] > 0 else 4.0
    out[first + 31] = np.log1p(memory[REPLIES] + (memory[shape.OPEN_OBSERVATION_CHARS] > 0))
    out[first + 32] = memory[OPEN_DIGITS] / max(memory[shape.OPEN_ACTION_CHARS] + memory[shape.OPEN_ARGS_CHARS], 1)
    out[first + 33] = (memory[RESULT_NEW] + memory[OPEN_RESULT_NEW]) / max(
        memory[RESULT_WORDS] + memory[OPEN_RESULT_WORDS], 1
    )
    out[first + 34] = np.log1p(memory[shape.STEPS])


@njit(cache=True, nogil=True)
def _tool_spread(memory: NDArray[np.int64]) -> tuple[float, float]:
    """Return the entropy (nats) of the tools called so far and the last tool's share of the calls."""
    total = 0
    for place in range(TOOL_BINS):
        total += memory[TOOL_COUNTS + place]
    if total == 0:
        return 0.0, 0.0
    entropy = 0.0
    for place in range(TOOL_BINS):
        share = memory[TOOL_COUNTS + place] / total
        if share > 0:
            entropy -= share * np.log(share)
    return entropy, memory[TOOL_COUNTS + memory[shape.TOOL] % TOOL_BINS] / total


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
    words, word_ends = field_words[0][0], field_words[1][0]
    start, first = 0, 0
    own_ends, own_word_ends = np.empty(ends.shape[1], np.int64), np.empty(ends.shape[1], np.int64)
    for index in range(ends.shape[0]):
        for field in range(ends.shape[1]):
            own_ends[field] = ends[index, field] - start
            own_word_ends[field] = word_ends[index, field] - first
        end, last = ends[index, -1], word_ends[index, -1]
        take_step(
            memory[index],
            text[start:end],
            own_ends,
            words[first:last],
            own_word_ends,
            actions[index],
            is_error[index],
        )
        write_shape(memory[index], out[index])
        start, first = end, last
