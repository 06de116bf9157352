"""The statistical proposer: from a sample of raw runs alone to an adapter, with its evidence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from induction.adapters.cases import infer_cases
from induction.adapters.definitions import without_definitions
from induction.adapters.embedded import find_embedded_text
from induction.adapters.fallback import read_by_names
from induction.adapters.identity import (
    ERROR_TEXTS,
    find_known_id,
    find_outcome,
    find_run_id,
    find_status,
    find_task_id,
    find_time,
    profile_runs,
)
from induction.adapters.leakage import OutcomeOf, find_leaks, mask_leaks
from induction.adapters.lists import find_event_lists, split_at_run
from induction.adapters.markers import find_markers
from induction.adapters.profiles import profile_events
from induction.adapters.sampling import deal_runs, sample_documents
from induction.adapters.textlogs import infer_text_event
from induction.errors import NoRunsError
from induction.reading.documents import Container, Document
from induction.reading.files import ReadFault
from induction.reading.runs import NO_LIMIT, RawRun, split_runs
from monitors.adapter.pointers import compile_pointer
from monitors.adapter.spec import AdapterSpec, Case, Event, Fields, Source, Status
from monitors.stepview import JsonValue


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a proposal rests on, for people: notes in order, sizes of the sample, files that could not be read."""

    container: Container
    documents: int
    runs: int
    events: int
    notes: tuple[str, ...]
    faults: tuple[ReadFault, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed adapter, its evidence, what leakage forced out of it, and runs that it was not made from."""

    spec: AdapterSpec
    evidence: Evidence
    refused: tuple[str, ...]
    held_out: list[RawRun] = field(repr=False)
    documents: list[Document] = field(repr=False)


def propose_adapter(
    raw: Path,
    *,
    seed: int = 0,
    outcome_of: OutcomeOf | None = None,
    run_ids: frozenset[str] = frozenset(),
    on_file: Callable[[int, int], None] | None = None,
) -> Proposal:
    """Return the adapter that the structure of RAW suggests.

    Outcomes, where given or found in the traces, are looked at only to take away what tells them; `run_ids`, where a
    table of outcomes names runs by them, to find where a run's id stands.

    Raises UnreadableRawError if nothing can be read, NoRunsError if what is read shows no runs with steps.
    """
    documents, faults = sample_documents(raw, seed=seed, on_file=on_file)
    container = main_container(documents)
    documents = [document for document in documents if document.container == container]
    name = _name(raw)
    draft, notes = _propose_text(documents, name) if container == "text" else _propose_structured(documents, name, seed)
    if run_ids and draft.source.group_by is None:
        draft = draft.model_copy(update={"source": _with_known_ids(draft.source, documents, run_ids)})
    runs = [run for document in documents for run in split_runs(document, draft)]
    if not any(run.events for run in runs):
        raise NoRunsError(
            f"{raw}: no runs found: no list of steps and no repeated line starts in {len(documents)} files"
        )
    fit, held_out = deal_runs(runs, seed)
    leaks = find_leaks(draft, runs, outcome_of)
    spec = mask_leaks(draft, leaks)
    evidence = Evidence(
        container, len(documents), len(runs), sum(len(run.events) for run in fit), tuple(notes), tuple(faults)
    )
    return Proposal(spec, evidence, tuple(leak.describe() for leak in leaks), held_out, documents)


def main_container(documents: Sequence[Document]) -> Container:
    """Return what most documents are. Texts without markers, such as a licence or settings, count only alone."""
    counts = Counter(document.container for document in documents)
    if len(counts) > 1 and find_markers([one.text for one in documents if one.container == "text"]) is None:
        counts.pop("text", None)
    return max(counts, key=lambda container: (counts[container], container))


def _propose_text(documents: Sequence[Document], name: str) -> tuple[AdapterSpec, list[str]]:
    found = infer_text_event([document.text for document in documents])
    if found is None:
        raise NoRunsError(f"{name}: no runs found: no line starts come again and again in {len(documents)} text files")
    event, notes = found
    source = documents[0].read_as(Source(container="text", runs=("",), events=("",)))
    if source.folder is not None:
        source = _with_identity(source, documents)
    status = Status(error_text=ERROR_TEXTS, ok_if_result=True)
    return AdapterSpec(name=name, source=source, event=event, status=status), notes


def _propose_structured(documents: Sequence[Document], name: str, seed: int) -> tuple[AdapterSpec, list[str]]:
    embedded = find_embedded_text(documents) if documents[0].container == "json" else None
    if embedded is not None:
        source = _with_identity(Source(runs=(embedded.runs,), events=(embedded.events,)), documents)
        status = Status(error_text=ERROR_TEXTS, ok_if_result=True)
        notes = [f"runs are texts at {embedded.runs}{embedded.events}", *embedded.notes]
        return AdapterSpec(name=name, source=source, event=embedded.event, status=status), notes
    source, notes = _find_source(documents, name)
    source = documents[0].read_as(source)
    blank = AdapterSpec(name=name, source=source, event=Event(cases=(Case(when={}, acts=False, fields=Fields()),)))
    runs = [run for document in documents for run in split_runs(document, blank) if run.events]
    if not runs:
        raise NoRunsError(f"{name}: no runs found: the lists at {', '.join(source.events)} are empty")
    fit, _ = deal_runs(runs, seed)
    sequences = [run.events for run in fit]
    if source.container == "otlp":
        sequences = [[without_definitions(span) for span in events] for events in sequences]
    reading = infer_cases(sequences)
    notes.extend(reading.notes)
    profiles = profile_events([(event, False) for run in sequences for event in run])
    status = find_status(profiles, sum(len(run) for run in sequences))
    if source.container == "otlp":
        error_if = {**status.error_if, "/status/code": [2, "STATUS_CODE_ERROR"]}
        status = status.model_copy(update={"error_if": error_if})
    event = Event(
        unit="json",
        blocks=reading.blocks,
        time=find_time(sequences, profiles),
        cases=reading.cases,
        decode=reading.decode,
        otherwise=read_by_names(kinds_are_told=reading.kinds_are_told) if source.container != "otlp" else Fields(),
        unfold=reading.unfold,
        tags=reading.tags,
    )
    return AdapterSpec(name=name, source=source, event=event, status=status), notes


def _find_source(documents: Sequence[Document], name: str) -> tuple[Source, list[str]]:
    if documents[0].container == "otlp":
        source = Source(container="otlp", events=("/*",), group_by="/traceId", order_by="/endTimeUnixNano")
        return source, ["runs are traces; spans are ordered by when they ended, which is when they become known"]
    lists = find_event_lists(documents)
    if not lists:
        raise NoRunsError(f"{name}: no runs found: none of {len(documents)} documents holds a list of steps")
    pointers = [split_at_run(item.path) for item in lists]
    runs = tuple(dict.fromkeys(run for run, _ in pointers))
    # '' exists in every document, so it can only stand last among the alternatives.
    runs = tuple(sorted(runs, key=lambda pointer: pointer == ""))
    events = tuple(dict.fromkeys(event for _, event in pointers))
    notes = [
        f"steps at {item.path}: {item.text_share:.0%} of the text, {item.mean_length:.1f} a list" for item in lists
    ]
    return _with_identity(Source(container="json", runs=runs, events=events), documents), notes


def _with_known_ids(source: Source, documents: Sequence[Document], run_ids: frozenset[str]) -> Source:
    found = find_known_id(profile_runs(_raw_runs(source, documents), source.events), run_ids)
    return source if found is None else source.model_copy(update={"run_id": found})


def _raw_runs(source: Source, documents: Sequence[Document]) -> list[JsonValue]:
    return [
        run
        for document in documents
        for pointer in source.runs[:1]
        for run in compile_pointer(pointer, NO_LIMIT)(document.value)
        if isinstance(run, dict)
    ]


def _with_identity(source: Source, documents: Sequence[Document]) -> Source:
    raw_runs = _raw_runs(source, documents)
    profiles = profile_runs(raw_runs, source.events)
    count = len(raw_runs)
    return source.model_copy(
        update={
            "run_id": find_run_id(profiles, count),
            "task_id": find_task_id(profiles, count),
            "outcome": find_outcome(profiles, count),
        }
    )


def _name(raw: Path) -> str:
    stem = re.sub(r"\.(tar|zip|tgz|txz|gz|xz|bz2|jsonl?|log|txt|ndjson)", "", raw.name.lower())
    stem = raw.resolve().parent.name if stem in ("raw", "", "data") else stem
    return re.sub(r"[^a-z0-9._-]+", "-", stem) or "adapter"
