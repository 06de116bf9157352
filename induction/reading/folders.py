"""A folder of files as one document: the run of an agent that writes a file for each step, or a log beside a result."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from induction.reading.documents import MAX_RUN_BYTES, Container, Document, parse_document
from induction.reading.files import RawFile, ReadFault, natural_key
from monitors.adapter.spec import Folder
from monitors.stepview import JsonValue

ROOT = "."


@dataclass(slots=True)
class RunFolder:
    """The files of one run: its folder's path ('.' where it is RAW itself), its step files in order, the others."""

    path: str
    steps: list[RawFile] = field(default_factory=list)
    beside: list[tuple[str, RawFile]] = field(default_factory=list)
    together: bool = False


def name_shape(path: str) -> str:
    """Return a path with '#' for each number in it: the files of one kind have one shape."""
    return re.sub(r"[0-9]+", "#", path)


def gather_folders(files: Sequence[RawFile], folder: Folder) -> list[RunFolder]:
    """Return the folders that hold step files, in the files' order; files that are neither steps nor beside them are
    left out.
    """
    found: dict[str, RunFolder] = {}
    beside: list[tuple[str, str, RawFile]] = []
    for file in files:
        for patterns, is_step in ((folder.steps, True), (folder.beside, False)):
            match = next((split for pattern in patterns if (split := _split(file.path, pattern))), None)
            if match is not None and is_step:
                found.setdefault(match[0], RunFolder(match[0], together=folder.together)).steps.append(file)
                break
            if match is not None:
                beside.append((*match, file))
    for path, name, file in beside:
        if path in found:
            found[path].beside.append((name, file))
    for run in found.values():
        run.steps.sort(key=lambda file: (_numbers(file.path[len(run.path) :]), natural_key(file.path)))
    return list(found.values())


def parse_folder(
    run: RunFolder, container: Container, report: Callable[[ReadFault], None], max_bytes: int = MAX_RUN_BYTES
) -> Document | ReadFault:
    """Return the document that a run's folder is; `report` hears of its files that cannot be read."""
    if sum(file.size for file in (*run.steps, *(file for _, file in run.beside))) > max_bytes:
        return ReadFault(run.path, f"is larger than {max_bytes >> 20} MiB")
    if run.together:
        return _parse_together(run, report)
    documents = [document for file in run.steps if (document := _parse(file, container, report)) is not None]
    if not documents:
        return ReadFault(run.path, "holds no step that can be read")
    beside = _parse_beside(run, report)
    if container == "text":
        return Document(run.path, "text", {"beside": beside}, "\n".join(document.text for document in documents))
    return Document(run.path, "json", {"steps": _join_steps(documents), "beside": beside})


def _parse_together(run: RunFolder, report: Callable[[ReadFault], None]) -> Document | ReadFault:
    """Each step is an object of the files that share its numbers; a file in it is a document or its text."""
    steps: dict[tuple[int, ...], dict[str, JsonValue]] = {}
    for file in run.steps:
        document = _parse(file, None, report)
        if document is not None:
            step = steps.setdefault(tuple(_numbers(file.path[len(run.path) :])), {})
            name = re.sub(r"^[0-9_.-]+|[0-9_.-]+$", "", file.path.rsplit("/", 1)[-1].rsplit(".", 1)[0])
            step.setdefault(name or "step", document.text if document.container == "text" else document.value)
    if not steps:
        return ReadFault(run.path, "holds no step that can be read")
    ordered: list[JsonValue] = [steps[numbers] for numbers in sorted(steps)]
    return Document(run.path, "json", {"steps": ordered, "beside": _parse_beside(run, report)})


def _parse_beside(run: RunFolder, report: Callable[[ReadFault], None]) -> dict[str, JsonValue]:
    beside: dict[str, JsonValue] = {}
    for name, file in run.beside:
        document = _parse(file, None, report)
        if document is not None and name not in beside:
            beside[name] = document.text if document.container == "text" else document.value
    return beside


def _join_steps(documents: Sequence[Document]) -> JsonValue:
    if len(documents) == 1 and isinstance(documents[0].value, dict):
        return documents[0].value
    steps: list[JsonValue] = []
    for document in documents:
        steps.extend(document.value if isinstance(document.value, list) else [document.value])
    return steps


def _parse(file: RawFile, container: Container | None, report: Callable[[ReadFault], None]) -> Document | None:
    document = parse_document(file, container)
    if isinstance(document, ReadFault):
        report(document)
        return None
    for fault in document.faults:
        report(fault)
    return document


def _numbers(name: str) -> list[int]:
    """The numbers of a name first: the action and the observation of one step stand together."""
    return [int(number[:40]) for number in re.findall("[0-9]+", name)]


def _split(path: str, pattern: str) -> tuple[str, str] | None:
    """Return (run's folder, shape of the name inside it) if a path ends as a pattern says."""
    parts = path.split("/")
    count = pattern.count("/") + 1
    if len(parts) < count:
        return None
    name = name_shape("/".join(parts[-count:]))
    return ("/".join(parts[:-count]) or ROOT, name) if name == pattern else None
