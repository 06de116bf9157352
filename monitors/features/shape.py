"""Run-shape numbers: what a run looks like so far without its words, from a small memory that each raw step updates.

Lengths, errors, repeats, streaks and counts, all causal: they use this raw step and earlier ones only, and the open
turn as far as it has come. The memory is int64 [MEMORY_SIZE]; one raw step costs the same at step 10 and at step
10,000.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitors.features.compiling import choose_cache_dir
from monitors.features.splitting import FieldWords

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

VERSION = 1
"""Of the memory's layout and of the numbers' meaning. A bundle states the version that it was trained on."""

RING = 16
"""Calls and results remembered for exact repeats."""

# Places in the memory. The open turn's part is cleared when a turn opens.
(
    TURNS, STEPS, OPEN_STEPS, OPEN_ACTION_CHARS, OPEN_ARGS_CHARS, OPEN_RESULT_CHARS, OPEN_OBSERVATION_CHARS, OPEN_ERROR,
    OPEN_QUESTIONS, OPEN_CALL_REPEATS, OPEN_RESULT_REPEATS, OPEN_ANSWERED, OPEN_CALLS, ERRORS, ERROR_STREAK,
    LAST_ERROR_TURN, CALL_REPEATS, RESULT_REPEATS, TOOL, TOOL_STREAK, TOOLS_SEEN, CALLS, ACTION_CHARS, RESULT_CHARS,
    OBSERVATION_CHARS, TALKS, FAILED_CALL, FAILED_REPEATS, CALL_PLACE, RESULT_PLACE,
) = range(30)  # fmt: skip
CALL_RING = 30
RESULT_RING = CALL_RING + RING
MEMORY_SIZE = RESULT_RING + RING

SHAPE_NAMES = (
    "turns", "steps_in_turn", "action_chars", "args_chars", "result_chars", "observation_chars", "error_now", "errors",
    "error_share", "error_streak", "turns_since_error", "call_repeats_now", "call_repeats", "result_repeats_now",
    "result_repeats", "tool_streak", "distinct_tools", "calls", "talks", "call_share", "questions", "answered",
    "calls_in_turn", "all_action_chars", "all_result_chars", "all_observation_chars", "failed_repeats", "prelude",
)  # fmt: skip
N_SHAPE = len(SHAPE_NAMES)


@njit(cache=True, nogil=True)
def hash_bytes(text: NDArray[np.uint8]) -> int:
    """Return a 62-bit hash of some bytes, 0 only for none (FNV-1a, 64 bit, two bits dropped so that it fits a signed
    integer).
    """
    if text.size == 0:
        return 0
    value = np.uint64(14695981039346656037)
    for byte in text:
        value = np.uint64((value ^ np.uint64(byte)) * np.uint64(1099511628211))
    return int(np.int64(value >> np.uint64(2)) | 1)


@njit(cache=True, nogil=True)
def _seen_before(memory: NDArray[np.int64], ring: int, place: int, value: int) -> bool:
    for index in range(RING):
        if memory[ring + index] == value:
            return True
    memory[ring + memory[place] % RING] = value
    memory[place] += 1
    return False


@njit(cache=True, nogil=True)
def update_memory(
    memory: NDArray[np.int64], text: NDArray[np.uint8], ends: NDArray[np.int64], actions: int, is_error: bool
) -> None:
    """Take one raw step into the memory, in place. `text` holds its fields one after the other, `ends` (int64 [5])
    says where each ends: observation, action, tool, args, result.
    """
    observation_chars = ends[0]
    action_chars = ends[1] - ends[0]
    tool_chars = ends[2] - ends[1]
    result_chars = ends[4] - ends[3]
    if actions > 0:
        _close_turn(memory)
        memory[TURNS] += actions
        if tool_chars == 0:
            memory[TALKS] += actions
    memory[STEPS] += 1
    memory[OPEN_STEPS] += 1
    memory[OPEN_ACTION_CHARS] += action_chars
    memory[OPEN_ARGS_CHARS] += ends[3] - ends[2]
    memory[OPEN_RESULT_CHARS] += result_chars
    memory[OPEN_OBSERVATION_CHARS] += observation_chars
    if is_error:
        memory[OPEN_ERROR] = 1
    if result_chars > 0 or observation_chars > 0:
        memory[OPEN_ANSWERED] = 1
    for position in range(ends[0], ends[1]):
        if text[position] == 63:
            memory[OPEN_QUESTIONS] += 1
    if actions > 0 and tool_chars > 0:
        _take_call(memory, text, ends, actions)
    if result_chars > 20 and _seen_before(memory, RESULT_RING, RESULT_PLACE, hash_bytes(text[ends[3] : ends[4]])):
        memory[OPEN_RESULT_REPEATS] += 1


@njit(cache=True, nogil=True)
def _close_turn(memory: NDArray[np.int64]) -> None:
    memory[ACTION_CHARS] += memory[OPEN_ACTION_CHARS] + memory[OPEN_ARGS_CHARS]
    memory[RESULT_CHARS] += memory[OPEN_RESULT_CHARS]
    memory[OBSERVATION_CHARS] += memory[OPEN_OBSERVATION_CHARS]
    memory[CALL_REPEATS] += memory[OPEN_CALL_REPEATS]
    memory[RESULT_REPEATS] += memory[OPEN_RESULT_REPEATS]
    if memory[OPEN_ERROR] > 0:
        memory[ERRORS] += 1
        memory[ERROR_STREAK] += 1
        memory[LAST_ERROR_TURN] = memory[TURNS]
    elif memory[OPEN_CALLS] > 0:
        memory[ERROR_STREAK] = 0
    memory[FAILED_CALL] = memory[OPEN_ERROR]
    for place in range(OPEN_STEPS, OPEN_CALLS + 1):
        memory[place] = 0


@njit(cache=True, nogil=True)
def _take_call(memory: NDArray[np.int64], text: NDArray[np.uint8], ends: NDArray[np.int64], actions: int) -> None:
    memory[CALLS] += actions
    memory[OPEN_CALLS] += actions
    tool = hash_bytes(text[ends[1] : ends[2]])
    memory[TOOL_STREAK] = memory[TOOL_STREAK] + 1 if tool == memory[TOOL] else 1
    memory[TOOL] = tool
    memory[TOOLS_SEEN] |= np.int64(1) << np.int64(tool % 62)
    if _seen_before(memory, CALL_RING, CALL_PLACE, hash_bytes(text[ends[1] : ends[3]])):
        memory[OPEN_CALL_REPEATS] += 1
        memory[FAILED_REPEATS] += memory[FAILED_CALL]


@njit(cache=True, nogil=True)
def write_shape(memory: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """Write the run-shape numbers (float32 [N_SHAPE], named by SHAPE_NAMES; counts and lengths as ln(1 + x))."""
    turns = memory[TURNS]
    errors = memory[ERRORS] + memory[OPEN_ERROR]
    tools = 0
    seen = memory[TOOLS_SEEN]
    while seen > 0:
        tools += seen & 1
        seen >>= 1
    out[0] = np.log1p(turns)
    out[1] = np.log1p(memory[OPEN_STEPS])
    out[2] = np.log1p(memory[OPEN_ACTION_CHARS])
    out[3] = np.log1p(memory[OPEN_ARGS_CHARS])
    out[4] = np.log1p(memory[OPEN_RESULT_CHARS])
    out[5] = np.log1p(memory[OPEN_OBSERVATION_CHARS])
    out[6] = memory[OPEN_ERROR]
    out[7] = np.log1p(errors)
    out[8] = errors / max(turns, 1)
    out[9] = np.log1p(memory[ERROR_STREAK] + memory[OPEN_ERROR])
    out[10] = np.log1p(turns - memory[LAST_ERROR_TURN]) if memory[ERRORS] > 0 else 4.0
    out[11] = min(memory[OPEN_CALL_REPEATS], 3)
    out[12] = np.log1p(memory[CALL_REPEATS] + memory[OPEN_CALL_REPEATS])
    out[13] = min(memory[OPEN_RESULT_REPEATS], 3)
    out[14] = np.log1p(memory[RESULT_REPEATS] + memory[OPEN_RESULT_REPEATS])
    out[15] = np.log1p(memory[TOOL_STREAK])
    out[16] = np.log1p(tools)
    out[17] = np.log1p(memory[CALLS])
    out[18] = np.log1p(memory[TALKS])
    out[19] = memory[CALLS] / max(turns, 1)
    out[20] = min(memory[OPEN_QUESTIONS], 5)
    out[21] = memory[OPEN_ANSWERED]
    out[22] = np.log1p(memory[OPEN_CALLS])
    out[23] = np.log1p(memory[ACTION_CHARS] + memory[OPEN_ACTION_CHARS] + memory[OPEN_ARGS_CHARS])
    out[24] = np.log1p(memory[RESULT_CHARS] + memory[OPEN_RESULT_CHARS])
    out[25] = np.log1p(memory[OBSERVATION_CHARS] + memory[OPEN_OBSERVATION_CHARS])
    out[26] = np.log1p(memory[FAILED_REPEATS])
    out[27] = 1.0 if turns == 0 else 0.0


@njit(cache=True, nogil=True)
def take_steps(
    memory: NDArray[np.int64],
    text: NDArray[np.uint8],
    ends: NDArray[np.int64],
    _words: FieldWords,
    actions: NDArray[np.int64],
    is_error: NDArray[np.bool_],
    out: NDArray[np.float32],
) -> None:
    """Take one raw step of each of B runs into their memories [B, MEMORY_SIZE], in place, and write their run-shape
    numbers into `out` [B, N_SHAPE]. `text` and `ends` as in `weigh_steps`, `words` as it returns them: this version has
    no use for words.
    """
    start = 0
    own_ends = np.empty(ends.shape[1], np.int64)
    for index in range(ends.shape[0]):
        for field in range(ends.shape[1]):
            own_ends[field] = ends[index, field] - start
        end = ends[index, -1]
        update_memory(memory[index], text[start:end], own_ends, actions[index], is_error[index])
        write_shape(memory[index], out[index])
        start = end
