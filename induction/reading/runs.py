"""The runs of RAW as an adapter's `source` says: each with its raw steps exactly as a live agent would post them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from induction.reading.documents import Document, parse_document
from induction.reading.files import ReadFault, open_raw
from monitors.adapter.blocks import split_blocks
from monitors.adapter.pointers import compile_pointer, is_present, is_same
from monitors.adapter.spec import AdapterSpec, Outcome, Source
from monitors.stepview import JsonValue, to_text

NO_LIMIT = 1 << 62

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
    """Yield every run of RAW in natural order of files, one file in memory at a time.

    `on_fault` hears of each file or line that was skipped, `on_file` of progress (files done, files in all).
    Raises UnreadableRawError if RAW itself cannot be read.
    """
    report = on_fault or _ignore
    with open_raw(raw) as files:
        for number, file in enumerate(files):
            document = parse_document(file, spec.source.container)
            if isinstance(document, ReadFault):
                report(document)
            else:
                for fault in document.faults:
                    report(fault)
                found = False
                for run in split_runs(document, spec):
                    found = True
                    yield run
                if not found:
                    report(ReadFault(file.path, "holds no run where the adapter looks for them"))
            if on_file is not None:
                on_file(number + 1, len(files))


def split_runs(document: Document, spec: AdapterSpec) -> Iterator[RawRun]:
    """Yield the runs of one document. A file in which no alternative of `runs` or `events` exists has none."""
    source = spec.source
    if document.container == "text":
        yield from _text_run(document, spec)
        return
    pointer = next((p for p in source.runs if _exists(document.value, p)), None)
    if pointer is None:
        return
    for index, raw_run in enumerate(compile_pointer(pointer, NO_LIMIT)(document.value)):
        events = next((p for p in source.events if _exists(raw_run, p)), None)
        if events is None and "*" not in pointer:
            return
        items = compile_pointer(events, NO_LIMIT)(raw_run) if events is not None else []
        if source.group_by is not None:
            yield from _grouped_runs(document.path, items, source)
            return
        ordered = items if source.order_by is None else sorted(items, key=_order_key(source.order_by))
        yield _build_run(document.path, index if "*" in pointer else None, raw_run, ordered, source)


def _text_run(document: Document, spec: AdapterSpec) -> Iterator[RawRun]:
    blocks = spec.event.blocks
    if blocks is None:
        return
    events = split_blocks(document.text, blocks)
    if any(event.startswith(blocks.opens) for event in events):
        yield RawRun(document.path, None, document.path, None, None, {}, [*events])


def _grouped_runs(path: str, items: list[JsonValue], source: Source) -> Iterator[RawRun]:
    assert source.group_by is not None
    key_of = compile_pointer(source.group_by, NO_LIMIT)
    groups: dict[str, list[JsonValue]] = {}
    for item in items:
        keys = key_of(item)
        if keys and is_present(keys[0]):
            groups.setdefault(to_text(keys[0]), []).append(item)
    for index, group in enumerate(groups.values()):
        ordered = group if source.order_by is None else sorted(group, key=_order_key(source.order_by))
        yield _build_run(path, index, list[JsonValue](ordered), ordered, source)


def _build_run(path: str, loc: int | None, raw_run: JsonValue, events: list[JsonValue], source: Source) -> RawRun:
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
        if isinstance(value, int | float) and not isinstance(value, bool):
            return 0, float(value), ""
        if isinstance(value, str) and value.isascii() and value.isdigit():
            # Padded text keeps every digit of a nanosecond time; a float would not.
            return 0, 0.0, value.zfill(24)
        return (1, 0.0, value) if isinstance(value, str) else (2, 0.0, "")

    return key


def _ignore(fault: ReadFault) -> None:
    del fault
