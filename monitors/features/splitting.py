"""Words of a field's bytes as hashes, by one compiled pass: what n-grams and sketches count.

A word is a run of ASCII letters (lower-cased), digits, '_' and bytes of multi-byte characters.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitors.features.compiling import choose_cache_dir

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

FNV_BASIS = 2166136261
LONG = 3
"""Bytes of a word that sketches take note of."""
MAX_LONG_WORDS = 2_048
"""Long words read of one field: the cost of a huge result is bounded."""

FieldWords: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.int64]]
"""Hashes of the words of B raw steps' F fields, one field after the other, uint32 [2, m], and where each field's end,
int64 [2, B, F]: first the long words, then those of two bytes; at most MAX_LONG_WORDS of a field of either.
"""


def _to_letters() -> NDArray[np.uint32]:
    letters = np.zeros(256, np.uint32)
    for byte in (*b"abcdefghijklmnopqrstuvwxyz0123456789_", *range(128, 256)):
        letters[byte] = byte
    for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        letters[byte] = byte + 32
    return letters


LETTERS = _to_letters()
"""What each byte is inside a word; 0 where it parts words. uint32 [256]."""


@njit(cache=True, nogil=True)
def split_words(
    text: NDArray[np.uint8],
    basis: int,
    words: NDArray[np.uint32],
    long_words: NDArray[np.uint32],
    pairs: NDArray[np.uint32],
) -> tuple[int, int, int]:
    """Write the hashes of a field's words in order, in one pass: of all words from `basis` (FNV-1a, 32 bit), of those
    of at least LONG bytes from the usual basis, and of those of two bytes from the usual basis into `pairs`. Return how
    many of each.

    Each array is filled to one place less than it has: what comes later is not read.
    """
    start, usual = np.uint32(basis), np.uint32(FNV_BASIS)
    most, most_long, most_pairs = words.size - 1, long_words.size - 1, pairs.size - 1
    count, count_long, count_pairs, position = 0, 0, 0, 0
    while position < text.size and (count < most or count_long < most_long):
        letter = LETTERS[text[position]]
        if letter == 0:
            position += 1
            continue
        word, long_word, first = start, usual, position
        while letter != 0:
            # Two chains of multiplications that do not wait for one another: the second costs next to nothing.
            word = np.uint32((word ^ letter) * np.uint32(16777619))
            long_word = np.uint32((long_word ^ letter) * np.uint32(16777619))
            position += 1
            if position == text.size:
                break
            letter = LETTERS[text[position]]
        words[count] = word
        count = min(count + 1, most)
        long_words[count_long] = long_word
        count_long = min(count_long + (position - first >= LONG), most_long)
        pairs[count_pairs] = long_word
        count_pairs = min(count_pairs + (position - first == 2), most_pairs)
    return count, count_long, count_pairs
