"""Words of a text as scikit-learn's default token pattern finds them, as 64-bit hashes, by one compiled pass.

A word is a run of at least two word characters (Unicode letters, digits and '_', as Python's `\\w`), in lower case.
Text comes as code points: one byte each where it is ASCII, else four; the hash of a word is the same either way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitors.features.compiling import choose_cache_dir

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

CODE_POINTS = 0x110000
_UNEVEN = ("\u0130", "\u03a3")
"""Capitals whose small letter is two code points, or depends on what stands beside it."""
_WORDS = re.compile(r"\w+")

CodePoints = NDArray[Any]
"""uint8 (ASCII) or uint32 [n] code points."""


@cache
def letters() -> NDArray[np.uint32]:
    """Return what each code point is inside a word: its small letter, 0 if it parts words; uint32 [CODE_POINTS], made
    once a process (0.2 s). The two of _UNEVEN are read in lower case beforehand.
    """
    every = "".join(map(chr, range(CODE_POINTS)))
    for character in _UNEVEN:
        every = every.replace(character, "a")
    lowered = every.lower()
    found = np.zeros(CODE_POINTS, np.uint32)
    points = np.frombuffer(lowered.encode("utf-32-le", "surrogatepass"), np.uint32)
    for run in _WORDS.finditer(lowered):
        found[run.start() : run.end()] = points[run.start() : run.end()]
    return found


def to_code_points(texts: Sequence[str]) -> tuple[CodePoints, NDArray[np.int64]]:
    """Return the code points of texts, one after the other, and where each text ends (int64 [N])."""
    joined = "".join(texts)
    if not joined.isascii() and any(character in joined for character in _UNEVEN):
        texts = [text.lower() for text in texts]
        joined = "".join(texts)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    if joined.isascii():
        return np.frombuffer(joined.encode("ascii"), np.uint8), ends
    return np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32), ends


@njit(cache=True, nogil=True, inline="always")
def pair_hash(left: np.uint64, right: np.uint64) -> np.uint64:
    """Return the hash of two words in a row; the order matters."""
    value = np.uint64(left * np.uint64(0x9E3779B97F4A7C15)) + right
    value = np.uint64(value ^ (value >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.uint64(value ^ (value >> np.uint64(32))) | np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def next_word(text: CodePoints, position: int, end: int, small: NDArray[np.uint32]) -> tuple[np.uint64, int]:
    """Return the hash of the first word of text[position:end] and where it ends; (0, end) if there is none.

    FNV-1a over code points (64 bit), its halves mixed: that any two of a million n-grams share a hash has a chance of
    6e-8.
    """
    while position < end:
        while position < end and small[text[position]] == 0:
            position += 1
        start = position
        value = np.uint64(14695981039346656037)
        while position < end and small[text[position]] != 0:
            value = np.uint64((value ^ np.uint64(small[text[position]])) * np.uint64(1099511628211))
            position += 1
        if position - start > 1:
            return np.uint64(value ^ (value >> np.uint64(32))) | np.uint64(1), position
    return np.uint64(0), end


@njit(cache=True, nogil=True)
def hash_ngrams(
    text: CodePoints, small: NDArray[np.uint32], hashes: NDArray[np.uint64], spans: NDArray[np.int64]
) -> int:
    """Write all word 1- and 2-grams of a text: their hashes into `hashes` (uint64, room for text.size) and where they
    start and end into `spans` (int64 [room, 2]); return how many. A word comes before the pair that ends with it.
    """
    count = 0
    position = 0
    previous = np.uint64(0)
    before = 0
    while position < text.size:
        word, position = next_word(text, position, text.size, small)
        if word == np.uint64(0):
            break
        start = position
        while start > 0 and small[text[start - 1]] != 0:
            start -= 1
        hashes[count] = word
        spans[count, 0], spans[count, 1] = start, position
        count += 1
        if previous != np.uint64(0):
            hashes[count] = pair_hash(previous, word)
            spans[count, 0], spans[count, 1] = before, position
            count += 1
        previous, before = word, start
    return count
