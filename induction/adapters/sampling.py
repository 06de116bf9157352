"""What the inducer looks at: some documents of RAW, spread over it, and their runs dealt to the proposer or the
validator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from induction.errors import UnreadableRawError
from induction.reading.documents import Document, parse_document
from induction.reading.files import ReadFault, open_raw
from induction.reading.runs import RawRun

MAX_FILES = 240
MAX_BYTES = 64 << 20
MAX_FIT_RUNS = 160

Item = TypeVar("Item")


def sample_documents(
    raw: Path, *, seed: int = 0, on_file: Callable[[int, int], None] | None = None
) -> tuple[list[Document], list[ReadFault]]:
    """Return documents spread evenly over the files of RAW (at most 240 files and about 64 MB), and the files that
    have none.

    Raises UnreadableRawError if nothing of it can be read.
    """
    documents: list[Document] = []
    faults: list[ReadFault] = []
    total = 0
    with open_raw(raw) as files:
        chosen = spread(files, MAX_FILES, seed)
        for number, file in enumerate(_by_turns(chosen)):
            if total and total + file.size > MAX_BYTES:
                continue
            total += file.size
            document = parse_document(file)
            if isinstance(document, ReadFault):
                faults.append(document)
            else:
                documents.append(document)
                faults.extend(document.faults)
            if on_file is not None:
                on_file(number + 1, len(chosen))
    if not documents:
        raise UnreadableRawError(
            f"{raw}: none of its files can be read as JSON, JSON lines, spans or text ({faults[0]})"
        )
    order = {file.path: number for number, file in enumerate(chosen)}
    return sorted(documents, key=lambda document: order[document.path]), faults


def spread(items: Sequence[Item], count: int, seed: int = 0) -> list[Item]:
    """Return at most `count` items at even distances, in order; the seed shifts where in each stretch."""
    if len(items) <= count:
        return list(items)
    stride = len(items) / count
    offset = stride * (seed % 16) / 16
    return [items[int(index * stride + offset)] for index in range(count)]


def deal_runs(runs: Sequence[RawRun], seed: int = 0) -> tuple[list[RawRun], list[RawRun]]:
    """Return runs to propose from and runs to validate on, disjoint where there are at least 8; dealt by a hash of
    their place.
    """
    if len(runs) < 8:
        return list(runs), list(runs)

    def hashed(run: RawRun) -> bytes:
        return hashlib.sha256(f"{seed}:{run.file}#{run.loc}".encode("utf-8", "replace")).digest()

    half = set(sorted(hashed(run) for run in runs)[: len(runs) // 2])
    fit = [run for run in runs if hashed(run) in half]
    held_out = [run for run in runs if hashed(run) not in half]
    return spread(fit, MAX_FIT_RUNS), spread(held_out, MAX_FIT_RUNS)


def _by_turns(items: Sequence[Item]) -> list[Item]:
    """Spread over RAW even where the byte budget ends early: first every fourth file, then the others."""
    return [item for start in range(4) for item in items[start::4]]
