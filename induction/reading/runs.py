"""The runs of RAW as an adapter's `source` says: each with its raw steps exactly as a live agent would post them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from induction.reading.documents import Document, parse_document
from induction.reading.files import RawFiles, ReadFault, open_raw
from induction.reading.folders import gather_folders, parse_folder
from induction.reading.groups import group_on_disk
from induction.reading.large import LargeDocument, Report, iter_spans, iter_values, open_document
from induction.reading.trees import flatten_tree
from monitors.adapter.blocks import split_blocks
from monitors.adapter.pointers import compile_pointer, is_present, is_same, join_pointer, split_pointer
from monitors.adapter.spec import AdapterSpec, Outcome, Source
from monitors.stepview import JsonValue, to_text

NO_LIMIT = 1 << 62
MAX_TIME = 1e300

Resolve = Callable[[JsonValue], list[JsonValue]]


@dataclass(frozen=True, slots=True)
class RawRun:
    """One run as it stands in the files.

    `file` is the path inside RAW; `loc` its number among the runs of that file, None where the file is one run.
    `success` is None where the trace does not say. `events` are the raw steps in order (with `start` first, where the
    adapter names start fields).
    """

    file: str
    loc: int | None
    run_id: str | None
    task: str | None
    success: bool | None
    start: dict[str, JsonValue]
    events: list[JsonValue]


def read_runs(
    raw: Path,
    spec: AdapterSpec,
    *,
    on_fault: Callable[[ReadFault], None] | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Iterator[RawRun]:
    """Yield every run of RAW in natural order of files. In memory at a time is one run, or one file where it is small.

    `on_fault` hears of each file or line that was skipped, `on_file` of progress (files done, files in all).
    Raises UnreadableRawError if RAW itself cannot be read.
    """
    report = on_fault or _ignore
    with open_raw(raw) as files:
        if spec.source.folder is not None:
            yield from _folder_runs(files, spec, report, on_file)
            return
        for number, file in enumerate(files):
            document = open_document(file, spec.source.container)
            if isinstance(document, ReadFault):
                report(document)
            else:
                for fault in document.faults if isinstance(document, Document) else ():
                    report(fault)
                yield from _report_none(document.path, _split(document, spec, report), report)
            if on_file is not None:
                on_file(number + 1, len(files))


def split_runs(document: Document, spec: AdapterSpec) -> Iterator[RawRun]:
    """Yield the runs of one document. A file in which no alternative of `runs` or `events` exists has none."""
    if document.container == "text":
        yield from _text_run(document, spec)
        return
    for run in _split_structured(document, spec.source):
        yield _with_blocks(run, spec)


def _with_blocks(run: RawRun, spec: AdapterSpec) -> RawRun:
    """Where the event unit is text, the run's text stands in its document: in one string, or in pieces."""
    blocks = spec.event.blocks
    if spec.event.unit != "text" or blocks is None:
        return run
    pieces = [piece for piece in run.events if isinstance(piece, str)]
    between = "" if any("\n" in piece for piece in pieces) else "\n"
    return replace(run, events=[*split_blocks(between.join(pieces), blocks)])


def _split_structured(document: Document, source: Source) -> Iterator[RawRun]:
    pointer = next((p for p in source.runs if _exists(document.value, p)), None)
    if pointer is None:
        return
    raw_runs = compile_pointer(pointer, NO_LIMIT)(document.value)
    if source.group_by is not None:
        items = [item for raw_run in raw_runs for item in _events_of(raw_run, source) or ()]
        yield from _grouped_runs(document.path, _group(_keyed(items, source.group_by)), source)
        return
    if "*" not in pointer:
        yield from _whole_run(document.path, raw_runs[0], source)
        return
    places = document.places if pointer == "/*" else None
    for index, raw_run in enumerate(raw_runs):
        yield _build_run(document.path, index if places is None else places[index], raw_run, source)


def _split(document: Document | LargeDocument, spec: AdapterSpec, report: Report) -> Iterator[RawRun]:
    if isinstance(document, Document):
        return split_runs(document, spec)
    return (_with_blocks(run, spec) for run in _split_large(document, spec, report))


def _split_large(large: LargeDocument, spec: AdapterSpec, report: Report) -> Iterator[RawRun]:
    """Yield the runs of a file one by one, as `split_runs` would yield those of a small one."""
    source = spec.source
    if source.group_by is not None:
        keyed = _keyed(_iter_large_events(large, source, report), source.group_by)
        yield from _grouped_runs(large.path, group_on_disk(keyed), source)
        return
    for pointer in source.runs:
        if "*" not in pointer:
            document = parse_document(large.file, source.container)
            if isinstance(document, ReadFault):
                report(document)
                return
            if _exists(document.value, pointer):
                yield from _whole_run(large.path, compile_pointer(pointer, NO_LIMIT)(document.value)[0], source)
                return
            continue
        found = False
        for index, raw_run in _iter_large(large, pointer, report):
            found = True
            yield _build_run(large.path, index, raw_run, source)
        if found:
            return


def _iter_large(large: LargeDocument, pointer: str, report: Report) -> Iterator[tuple[int, JsonValue]]:
    """Yield (number, value) for what a pointer with a `*` names in a large file."""
    if large.container == "otlp":
        yield from enumerate(iter_spans(large, report) if pointer == "/*" else ())
        return
    segments = split_pointer(pointer)
    star = segments.index("*")
    if large.lines and star:
        return
    tail = segments[star + 1 :]
    inside = compile_pointer(join_pointer(tail), NO_LIMIT)
    index = 0
    for number, item in iter_values(large, segments[:star], report):
        for value in inside(item):
            yield (index if tail else number), value
            index += 1


def _iter_large_events(large: LargeDocument, source: Source, report: Report) -> Iterator[JsonValue]:
    """Yield the events of a large file whose runs are groups of them, from the first alternative that has any."""
    for pointer in source.runs:
        found = False
        if "*" in pointer:
            for _, raw_run in _iter_large(large, pointer, report):
                for event in _events_of(raw_run, source) or ():
                    found = True
                    yield event
        else:
            for events in source.events:
                if found or "*" not in events:
                    continue
                for _, event in _iter_large(large, pointer + events, report):
                    found = True
                    yield event
        if found:
            return


def _folder_runs(
    files: RawFiles, spec: AdapterSpec, report: Report, on_file: Callable[[int, int], None] | None
) -> Iterator[RawRun]:
    assert spec.source.folder is not None
    done = 0
    for folder in gather_folders(files, spec.source.folder):
        document = parse_folder(folder, spec.source.container, report)
        if isinstance(document, ReadFault):
            report(document)
        else:
            yield from _report_none(folder.path, split_runs(document, spec), report)
        done += len(folder.steps) + len(folder.beside)
        if on_file is not None:
            on_file(done, len(files))


def _report_none(path: str, runs: Iterator[RawRun], report: Report) -> Iterator[RawRun]:
    found = False
    for run in runs:
        found = True
        yield run
    if not found:
        report(ReadFault(path, "holds no run where the adapter looks for them"))


def _text_run(document: Document, spec: AdapterSpec) -> Iterator[RawRun]:
    blocks = spec.event.blocks
    if blocks is None:
        return
    events = split_blocks(document.text, blocks)
    if any(event.startswith(blocks.opens) for event in events):
        source = spec.source
        yield RawRun(
            file=document.path,
            loc=None,
            run_id=_first_text(document.value, source.run_id) or document.path,
            task=_first_text(document.value, source.task_id),
            success=_read_outcome(document.value, source.outcome),
            start={},
            events=[*events],
        )


def _whole_run(path: str, raw_run: JsonValue, source: Source) -> Iterator[RawRun]:
    if _events_of(raw_run, source) is not None:
        yield _build_run(path, None, raw_run, source)


def _keyed(items: Iterable[JsonValue], group_by: str) -> Iterator[tuple[str, JsonValue]]:
    key_of = compile_pointer(group_by, NO_LIMIT)
    for item in items:
        keys = key_of(item)
        if keys and is_present(keys[0]):
            yield to_text(keys[0]), item


def _group(keyed: Iterable[tuple[str, JsonValue]]) -> Iterable[list[JsonValue]]:
    groups: dict[str, list[JsonValue]] = {}
    for key, item in keyed:
        groups.setdefault(key, []).append(item)
    return groups.values()


def _grouped_runs(path: str, groups: Iterable[list[JsonValue]], source: Source) -> Iterator[RawRun]:
    for index, group in enumerate(groups):
        ordered = _ordered(group, source)
        yield _fill_run(path, index, ordered, ordered, source)


def _events_of(raw_run: JsonValue, source: Source) -> list[JsonValue] | None:
    """Return a run's events, of trees each event by itself; None if no alternative of `events` exists in it."""
    for pointer in source.events:
        if _exists(raw_run, pointer):
            items = compile_pointer(pointer, NO_LIMIT)(raw_run)
            return items if source.tree is None else flatten_tree(items, source.tree)
        root = compile_pointer(pointer[:-2], NO_LIMIT)(raw_run) if source.tree and pointer.endswith("/*") else []
        if source.tree is not None and root and isinstance(root[0], dict):
            return flatten_tree(root, source.tree)
    return None


def _ordered(events: list[JsonValue], source: Source) -> list[JsonValue]:
    return events if source.order_by is None else sorted(events, key=_order_key(source.order_by))


def _build_run(path: str, loc: int | None, raw_run: JsonValue, source: Source) -> RawRun:
    return _fill_run(path, loc, raw_run, _ordered(_events_of(raw_run, source) or [], source), source)


def _fill_run(path: str, loc: int | None, raw_run: JsonValue, events: list[JsonValue], source: Source) -> RawRun:
    start = {pointer: values[0] for pointer in source.start if (values := compile_pointer(pointer, NO_LIMIT)(raw_run))}
    fallback = path if loc is None else f"{path}#{loc}"
    return RawRun(
        file=path,
        loc=loc,
        run_id=_first_text(raw_run, source.run_id) or fallback,
        task=_first_text(raw_run, source.task_id),
        success=_read_outcome(raw_run, source.outcome),
        start=start,
        events=[{"start": start}, *events] if start else events,
    )


def _first_text(raw_run: JsonValue, pointer: str | None) -> str | None:
    values = compile_pointer(pointer, NO_LIMIT)(raw_run) if pointer is not None else []
    return next((to_text(value) for value in values if is_present(value)), None)


def _read_outcome(raw_run: JsonValue, outcome: Outcome | None) -> bool | None:
    if outcome is None:
        return None
    value = next((v for v in compile_pointer(outcome.path, NO_LIMIT)(raw_run) if v is not None), None)
    if value is None:
        return None
    if outcome.equals is not None:
        return any(is_same(value, one) for one in outcome.equals)
    if outcome.at_least is not None and isinstance(value, int | float):
        return float(value) >= outcome.at_least
    return None


def _exists(value: JsonValue, pointer: str) -> bool:
    """A trailing `*` asks for the list, which may be empty: a run without steps is still a run."""
    if pointer.endswith("/*"):
        return any(isinstance(items, list) for items in compile_pointer(pointer[:-2], NO_LIMIT)(value))
    return bool(compile_pointer(pointer, NO_LIMIT)(value)) or (pointer == "")


def _order_key(pointer: str) -> Callable[[JsonValue], tuple[int, float, str]]:
    """Numbers, also as text (OTLP writes nanoseconds so), sort as numbers; then texts; then what has no value."""
    resolve = compile_pointer(pointer, NO_LIMIT)

    def key(item: JsonValue) -> tuple[int, float, str]:
        value = next(iter(resolve(item)), None)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_TIME:
            return 0, float(value), ""
        if isinstance(value, str) and value.isascii() and value.isdigit():
            # Padded text keeps every digit of a nanosecond time; a float would not.
            return 0, 0.0, value.zfill(24)
        return (1, 0.0, value) if isinstance(value, str) else (2, 0.0, "")

    return key


def _ignore(fault: ReadFault) -> None:
    del fault
