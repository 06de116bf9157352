"""Whether the runs of RAW are folders: files that are numbered steps, or a file of steps beside others about it.

The names say what may be (the same kinds of names in folder after folder); the content decides. Files that hold steps
of their own are runs, however they are numbered, unless each repeats what the one before it held.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from induction.adapters.lists import score_lists
from induction.adapters.markers import find_markers
from induction.adapters.vocabulary import EVENT_LIST_KEYS, last_key, matches
from induction.reading.documents import WHOLE_BYTES, Container, Document, parse_document
from induction.reading.files import RawFile, natural_key
from induction.reading.folders import name_shape
from monitors.adapter.pointers import compile_pointer
from monitors.adapter.spec import Folder
from monitors.stepview import JsonValue

MIN_FOLDERS = 2
MOST = 0.8
LOOKED_AT_FOLDERS = 6
LOOKED_AT_FILES = 8
OWN_STEPS_SCORE = 0.3

Names = dict[str, dict[str, list[RawFile]]]
"""Folder → shape of a name inside it → its files in natural order."""


def find_folder_runs(files: Sequence[RawFile]) -> tuple[Folder, Container] | None:
    """Return how runs are folders and what their steps are written in, or None where runs are files or inside them."""
    together = _numbered_folders(files)
    if together is not None:
        return together, "json"
    for folders in _candidate_folders(files):
        if len(folders) < MIN_FOLDERS:
            continue
        counts = Counter(shape for shapes in folders.values() for shape in shapes)
        usual = [shape for shape, count in sorted(counts.items()) if count >= MOST * len(folders)]
        found = _numbered_steps(folders, usual) or _steps_beside_others(folders, usual)
        if found is not None:
            steps, container = found
            beside = tuple(s for s, n in sorted(counts.items()) if s not in steps and n >= 0.5 * len(folders))
            return Folder(steps=steps, beside=tuple(s for s in beside if _is_single(folders, s))), container
    return None


def _candidate_folders(files: Sequence[RawFile]) -> list[Names]:
    """Each file's own folder; and, where those have one name everywhere (`steps`), the folders that hold them."""
    near: Names = {}
    far: Names = {}
    parts = [file.path.split("/") for file in files]
    inner = Counter(p[-2] for p in parts if len(p) > 2 and name_shape(p[-2]) == p[-2])
    usual = {name for name, count in inner.items() if count >= 0.5 * len(files)}
    homes = {"/".join(p[:-2]) for p in parts if len(p) > 2 and p[-2] in usual}
    for file, path in zip(files, parts, strict=True):
        _add(near, "/".join(path[:-1]), path[-1], file)
        depth = 2 if len(path) > 2 and path[-2] in usual else 1
        home = "/".join(path[:-depth])
        if home in homes:
            _add(far, home, "/".join(path[-depth:]), file)
    return [far, near] if len(far) >= MIN_FOLDERS else [near]


def _numbered_folders(files: Sequence[RawFile]) -> Folder | None:
    """Return how runs hold a numbered folder for each step, or None.

    A step's folder has files of at least two kinds, the same in folder after folder; the numbers in a run begin at 0
    or 1 and leave none out; and no file in them holds steps of its own.
    """
    inside: dict[str, dict[str, dict[int, list[RawFile]]]] = {}
    for file in files:
        *folders, name = file.path.split("/")
        if len(folders) < 2 or not _ends_in_number(folders[-1]):
            continue
        fixed = 1 if len(folders) > 2 and name_shape(folders[-2]) == folders[-2] else 0
        for up in range(fixed + 1):
            home = "/".join(folders[: len(folders) - 1 - up])
            shape = name_shape("/".join([*folders[len(folders) - 1 - up :], name]))
            number = int(re.findall("[0-9]+", folders[-1])[-1][:9])
            inside.setdefault(home, {}).setdefault(shape, {}).setdefault(number, []).append(file)
    return _choose_numbered(inside, files)


def _ends_in_number(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_. -]*[0-9]{1,6}", name) is not None


def _choose_numbered(inside: dict[str, dict[str, dict[int, list[RawFile]]]], files: Sequence[RawFile]) -> Folder | None:
    counts = Counter(shape for shapes in inside.values() for shape in shapes)
    for depth in sorted({shape.count("/") for shape in counts}, reverse=True):
        usual = [shape for shape in sorted(counts) if shape.count("/") == depth]
        homes = {home: {s: n for s, n in shapes.items() if s in usual} for home, shapes in inside.items()}
        homes = {home: shapes for home, shapes in homes.items() if shapes}
        usual = [shape for shape in usual if counts[shape] >= MOST * len(homes)]
        if len(homes) < MIN_FOLDERS or len(usual) < 2 or len({shape.rsplit("/", 1)[0] for shape in usual}) > 1:
            continue
        whole = sum(all(_counts_up(shapes.get(shape, {})) for shape in usual) for shapes in homes.values())
        several = statistics.fmean(len(shapes.get(usual[0], {})) for shapes in homes.values())
        if whole < MOST * len(homes) or several < 2:
            continue
        found = [
            file for shapes in homes.values() for numbers in shapes.values() for one in numbers.values() for file in one
        ]
        if any(_hold_own_steps(shape, homes) for shape in usual) or len(found) < 0.4 * len(files):
            continue
        beside = _usual_beside(files, list(homes), usual)
        return Folder(steps=tuple(usual), beside=beside, together=True)
    return None


def _counts_up(numbers: dict[int, list[RawFile]]) -> bool:
    return bool(numbers) and min(numbers) in (0, 1) and max(numbers) - min(numbers) + 1 == len(numbers)


def _hold_own_steps(shape: str, homes: dict[str, dict[str, dict[int, list[RawFile]]]]) -> bool:
    """Lists named like steps, or long logs, are runs in numbered folders; a screen with a prompt or two is none."""
    chosen = [
        numbers[max(numbers)][0]
        for shapes in list(homes.values())[:LOOKED_AT_FOLDERS]
        if (numbers := shapes.get(shape))
    ]
    documents = [document for document in _parse(chosen) if document.container != "text"]
    lists = [best for document in documents if (best := next(iter(score_lists(document)), None)) is not None]
    long = [
        best for best in lists if best.mean_length >= 3 and matches(last_key(best.path), EVENT_LIST_KEYS - {"messages"})
    ]
    return len(long) >= 0.5 * max(1, len(chosen))


def _usual_beside(files: Sequence[RawFile], homes: Sequence[str], steps: Sequence[str]) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    known = set(homes)
    for file in files:
        folder, _, name = file.path.rpartition("/")
        if folder in known and name_shape(name) not in steps:
            counts[name_shape(name)] += 1
    return tuple(shape for shape in sorted(counts) if 0.5 * len(homes) <= counts[shape] <= len(homes))


def _add(folders: Names, folder: str, name: str, file: RawFile) -> None:
    folders.setdefault(folder, {}).setdefault(name_shape(name), []).append(file)


def _numbered_steps(folders: Names, usual: Sequence[str]) -> tuple[tuple[str, ...], Container] | None:
    steps: list[str] = []
    containers: set[Container] = set()
    beside = any("#" not in shape for shape in usual)
    for shape in usual:
        lengths = [len(shapes.get(shape, ())) for shapes in folders.values()]
        if "#" not in shape or statistics.fmean(lengths) < 1.5:
            continue
        sequences = [_parse(shapes.get(shape, ())) for shapes in _some(list(folders.values()))]
        documents = [document for sequence in sequences for document in sequence]
        if documents and _are_steps(sequences, documents, beside=beside):
            steps.append(shape)
            containers.add(documents[0].container)
    return (tuple(steps), containers.pop()) if len(containers) == 1 else None


def _steps_beside_others(folders: Names, usual: Sequence[str]) -> tuple[tuple[str, ...], Container] | None:
    """A file of steps and at least one other, once each in every folder; exactly one of them holds steps."""
    single = [shape for shape in usual if _is_single(folders, shape)]
    if len(single) < 2 or len(single) != len(usual):
        return None
    carriers: dict[str, Container] = {}
    for shape in single:
        documents = [d for shapes in _some(list(folders.values())) for d in _parse(shapes.get(shape, ()))]
        if documents and _hold_steps(documents, beside=False):
            carriers[shape] = documents[0].container
    return (tuple(carriers), next(iter(carriers.values()))) if len(carriers) == 1 else None


def _is_single(folders: Names, shape: str) -> bool:
    return all(len(shapes.get(shape, ())) <= 1 for shapes in folders.values())


def _some(folders: Sequence[dict[str, list[RawFile]]]) -> Sequence[dict[str, list[RawFile]]]:
    return folders[:: max(1, len(folders) // LOOKED_AT_FOLDERS)][:LOOKED_AT_FOLDERS]


def _parse(files: Sequence[RawFile]) -> list[Document]:
    chosen = sorted(files, key=lambda file: natural_key(file.path))[:LOOKED_AT_FILES]
    parsed = [parse_document(file, max_bytes=WHOLE_BYTES) for file in chosen]
    return [document for document in parsed if isinstance(document, Document)]


def _are_steps(sequences: Sequence[Sequence[Document]], documents: Sequence[Document], *, beside: bool) -> bool:
    if len({document.container for document in documents}) != 1 or documents[0].container == "otlp":
        return False
    return not _hold_steps(documents, beside=beside) or _repeat_each_other(sequences)


def _hold_steps(documents: Sequence[Document], *, beside: bool) -> bool:
    """Return whether most documents hold a sequence of steps themselves. With other files beside them, a list alone is
    not enough: a step may well hold one (the elements of a page); its name must say that it is one of steps.
    """
    if documents[0].container == "text":
        return find_markers([document.text for document in documents]) is not None
    return sum(_holds_steps(document, beside=beside) for document in documents) >= 0.5 * len(documents)


def _holds_steps(document: Document, *, beside: bool) -> bool:
    if isinstance(document.value, list):
        return len(document.value) > 1
    best = next(iter(score_lists(document)), None)
    if best is None or best.score < OWN_STEPS_SCORE:
        return False
    return not beside or matches(last_key(best.path), EVENT_LIST_KEYS)


def _repeat_each_other(sequences: Sequence[Sequence[Document]]) -> bool:
    """Return whether the list in each file begins with the list in the file before it: a history, told anew each
    step.
    """
    pairs = repeated = 0
    for sequence in sequences:
        for before, after in pairwise(sequence):
            best = next(iter(score_lists(after)), None)
            old, new = _list_at(before, best.path if best else ""), _list_at(after, best.path if best else "")
            pairs += 1
            repeated += bool(old) and len(new) > len(old) and new[: len(old)] == old
    return pairs >= 2 and repeated >= MOST * pairs


def _list_at(document: Document, path: str) -> list[JsonValue]:
    found = compile_pointer(path.removesuffix("/*"), 1)(document.value) if path else []
    return found[0] if found and isinstance(found[0], list) else []
