"""What the inducer looks at: some documents of RAW, spread over it, and their runs dealt to the proposer or the
validator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from induction.adapters.folder_runs import find_folder_runs
from induction.errors import UnreadableRawError
from induction.reading.documents import Container, Document
from induction.reading.files import RawFiles, ReadFault, open_raw
from induction.reading.folders import gather_folders, parse_folder
from induction.reading.large import SAMPLE_BYTES, LargeDocument, open_document, sample_large
from induction.reading.rows import with_named_columns
from induction.reading.runs import RawRun
from induction.reading.trees import find_tree, with_flat_trees
from monitors.adapter.spec import Folder

MAX_FILES = 600
MAX_BYTES = 64 << 20
MAX_FIT_RUNS = 400
MAX_HELD_OUT_RUNS = 160

Item = TypeVar("Item")


def sample_documents(
    raw: Path, *, seed: int = 0, on_file: Callable[[int, int], None] | None = None
) -> tuple[list[Document], list[ReadFault]]:
    """Return documents spread evenly over the files of RAW (at most 600 files and about 64 MB), and the files that
    have none. Of a large file it is the beginnings of its lists, or its first lines.

    Rows of tables are objects, by whose pointers the rows are read. Where runs are folders each folder is a document,
    and where events are nested in one another they are flat; the documents then say under which `reading` of a source
    RAW reads so. Raises UnreadableRawError if nothing of RAW can be read.
    """
    faults: list[ReadFault] = []
    with open_raw(raw) as files:
        found = find_folder_runs(files)
        if found is not None:
            documents = _sample_folders(files, *found, seed, faults, on_file)
        else:
            documents = _sample_files(files, seed, faults, on_file)
    if not documents:
        raise UnreadableRawError(
            f"{raw}: none of its files can be read as JSON, JSON lines, spans or text ({faults[0]})"
        )
    return _flatten_trees(documents), faults


def _sample_files(
    files: RawFiles, seed: int, faults: list[ReadFault], on_file: Callable[[int, int], None] | None
) -> list[Document]:
    documents: list[Document] = []
    total = 0
    chosen = spread(files, MAX_FILES, seed)
    for number, file in enumerate(_by_turns(chosen)):
        size = min(file.size, SAMPLE_BYTES)
        if total and total + size > MAX_BYTES:
            continue
        document = open_document(file)
        if isinstance(document, LargeDocument):
            size = SAMPLE_BYTES  # a small file may be a large one, compressed
            document = sample_large(document, faults.append)
        total += size
        if isinstance(document, ReadFault):
            faults.append(document)
        else:
            value = with_named_columns(document.value) if document.container == "json" else document.value
            documents.append(replace(document, value=value, text=document.text[:SAMPLE_BYTES]))
            faults.extend(document.faults)
        if on_file is not None:
            on_file(number + 1, len(chosen))
    order = {file.path: number for number, file in enumerate(chosen)}
    return sorted(documents, key=lambda document: order[document.path])


def _sample_folders(
    files: RawFiles,
    folder: Folder,
    container: Container,
    seed: int,
    faults: list[ReadFault],
    on_file: Callable[[int, int], None] | None,
) -> list[Document]:
    documents: list[Document] = []
    total = 0
    chosen = spread(gather_folders(files, folder), MAX_FILES, seed)
    for number, run in enumerate(_by_turns(chosen)):
        size = sum(file.size for file in run.steps)
        if total and total + size > MAX_BYTES:
            continue
        total += size
        document = parse_folder(run, container, faults.append)
        if isinstance(document, ReadFault):
            faults.append(document)
        else:
            documents.append(replace(document, reading=(("folder", folder),)))
        if on_file is not None:
            on_file(number + 1, len(chosen))
    order = {run.path: number for number, run in enumerate(chosen)}
    return sorted(documents, key=lambda document: order[document.path])


def _flatten_trees(documents: list[Document]) -> list[Document]:
    """Return the documents with trees of events as lists of them. Spans of an export are flat as they are."""
    tree = find_tree([document.value for document in documents if document.container == "json"])
    if tree is None:
        return documents
    reading = {"tree": tree.children, **({"order_by": tree.ended} if tree.ended is not None else {})}
    return [
        replace(
            document,
            value=with_flat_trees(document.value, tree.children),
            reading=(*document.reading, *reading.items()),
        )
        if document.container == "json"
        else document
        for document in documents
    ]


def spread(items: Sequence[Item], count: int, seed: int = 0) -> list[Item]:
    """Return at most `count` items at even distances, in order; the seed shifts where in each stretch."""
    if len(items) <= count:
        return list(items)
    stride = len(items) / count
    offset = stride * (seed % 16) / 16
    return [items[int(index * stride + offset)] for index in range(count)]


def deal_runs(runs: Sequence[RawRun], seed: int = 0) -> tuple[list[RawRun], list[RawRun]]:
    """Return runs to propose from and runs to validate on, three to one, disjoint where there are at least 8; dealt by
    a hash of their place.
    """
    if len(runs) < 8:
        return list(runs), list(runs)

    def hashed(run: RawRun) -> bytes:
        return hashlib.sha256(f"{seed}:{run.file}#{run.loc}".encode("utf-8", "replace")).digest()

    seen = set(sorted(hashed(run) for run in runs)[: len(runs) - len(runs) // 4])
    fit = [run for run in runs if hashed(run) in seen]
    held_out = [run for run in runs if hashed(run) not in seen]
    return spread(fit, MAX_FIT_RUNS), spread(held_out, MAX_HELD_OUT_RUNS)


def _by_turns(items: Sequence[Item]) -> list[Item]:
    """Spread over RAW even where the byte budget ends early: first every fourth file, then the others."""
    return [item for start in range(4) for item in items[start::4]]
