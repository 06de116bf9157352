"""Sparse rows of several raw steps as a graph takes them: in chunks of equal width, and which chunks make up each step.

A padded array as wide as the longest list would make one long raw step cost as much as sixty-four.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitors.features.compiling import choose_cache_dir

choose_cache_dir()
from numba import njit  # noqa: E402  (the cache folder must be chosen before numba reads it)

CHUNK = 32
"""Width. Measured at 16, 32 and 64 on steps of 20 to 350 rows; none is far from the best, and this one mostly is it."""


@njit(cache=True, nogil=True)
def to_chunks(
    rows: NDArray[np.int32], weights: NDArray[np.float32], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return rows int64 [C, CHUNK], weights float32 [C, CHUNK] (0 where padded) and chunks int64 [B, K] of B lists that
    stand one after the other, list b from offsets[b] to offsets[b + 1].

    The first chunk is empty; `chunks` names it where a list has fewer than K. Every list has at least one of its own.
    """
    n_lists = offsets.size - 1
    total, most = 1, 1
    for index in range(n_lists):
        needed = max(1, -(-(offsets[index + 1] - offsets[index]) // CHUNK))
        total += needed
        most = max(most, needed)
    chunk_rows = np.zeros((total, CHUNK), np.int64)
    chunk_weights = np.zeros((total, CHUNK), np.float32)
    chunks = np.zeros((n_lists, most), np.int64)
    chunk = 1
    for index in range(n_lists):
        start, end = offsets[index], offsets[index + 1]
        for place in range(max(1, -(-(end - start) // CHUNK))):
            chunks[index, place] = chunk
            first = start + place * CHUNK
            for column in range(min(CHUNK, end - first)):
                chunk_rows[chunk, column] = rows[first + column]
                chunk_weights[chunk, column] = weights[first + column]
            chunk += 1
    return chunk_rows, chunk_weights, chunks
