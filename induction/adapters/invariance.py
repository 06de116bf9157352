"""The proof that nothing leaks: every value that a step may not see is replaced by random text, and no StepView
changes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from induction.reading.documents import Document
from induction.reading.runs import NO_LIMIT, RawRun, split_runs
from monitors.adapter.compiled import Adapter, compile_adapter
from monitors.adapter.pointers import compile_pointer, split_pointer
from monitors.adapter.spec import AdapterSpec
from monitors.stepview import JsonValue, StepView

MAX_DOCUMENTS = 12


def changed_views(spec: AdapterSpec, documents: Sequence[Document], seed: int = 0) -> list[str]:
    """Return where a StepView changed when everything outside the raw steps was replaced; empty is the proof.

    In JSON documents every value outside the runs' raw steps becomes random text; in text logs the lines that belong
    to no block do; and in every raw step what follows a cut does.
    """
    adapter = compile_adapter(spec)
    rng = random.Random(seed)
    changed = []
    for document in documents[:MAX_DOCUMENTS]:
        before = _views(adapter, document, spec)
        after = _views(adapter, _scrambled(document, spec, rng), spec)
        if before != after:
            where = next((i for i, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), -1)
            changed.append(
                f"{document.path}: raw step {where}" if where >= 0 else f"{document.path}: number of raw steps"
            )
    return changed


def stable_under_shuffling(adapter: Adapter, runs: Sequence[RawRun], seed: int = 0) -> bool:
    """Return whether StepViews stay the same when keys are shuffled and unknown fields are added."""
    rng = random.Random(seed)
    return all(adapter.view(event) == adapter.view(_shuffled(event, rng)) for run in runs for event in run.events[:20])


def random_text(rng: random.Random) -> str:
    """Return text that no trace holds."""
    return "zq" + "".join(rng.choice("bcdfghjklmnpqrstvwxz") for _ in range(rng.randint(4, 16)))


def _views(adapter: Adapter, document: Document, spec: AdapterSpec) -> list[StepView]:
    return [adapter.view(event)[0] for run in split_runs(document, spec) for event in run.events]


def _scrambled(document: Document, spec: AdapterSpec, rng: random.Random) -> Document:
    if document.container == "text":
        return Document(document.path, "text", text=_scrambled_text(document.text, spec, rng))
    source = spec.source
    pointer = next((p for p in source.runs if compile_pointer(p.removesuffix("/*"), NO_LIMIT)(document.value)), "")
    kept = tuple(split_pointer(pointer + events) for events in source.events)
    return Document(document.path, document.container, value=_scrambled_value(document.value, (), kept, rng))


def _scrambled_value(
    value: JsonValue, path: tuple[str, ...], kept: Sequence[tuple[str, ...]], rng: random.Random
) -> JsonValue:
    if any(_names(keep, path) for keep in kept):
        return value
    if isinstance(value, dict):
        return {key: _scrambled_value(item, (*path, key), kept, rng) for key, item in value.items()}
    if isinstance(value, list):
        last = len(value) - 1
        places = [str(index) if index < last else f"{index} -1" for index in range(len(value))]
        return [_scrambled_value(item, (*path, place), kept, rng) for item, place in zip(value, places, strict=True)]
    return random_text(rng)


def _names(pointer: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """A place in a list is named by `*`, by its number, and the last one by -1."""
    return len(pointer) == len(path) and all(
        one == place or (place[:1].isdigit() and one in ("*", *place.split(" ")))
        for one, place in zip(pointer, path, strict=True)
    )


def _scrambled_text(text: str, spec: AdapterSpec, rng: random.Random) -> str:
    """Replace the lines that belong to no block, and what follows a cut."""
    blocks = spec.event.blocks
    if blocks is None:
        return text
    lines = []
    outside = started = False
    for line in text.splitlines():
        opens = line.startswith(blocks.opens)
        started = started or opens
        blank = not line.strip()
        if opens:
            outside = False
        elif started and blank and blocks.ends_at_blank_line:
            outside = True
        kept = line
        if outside and not blank:
            kept = random_text(rng)
        for cut in spec.cuts:
            head, found, _ = kept.partition(cut.literal)
            kept = head + found + random_text(rng) if found else kept
        lines.append(kept)
    return "\n".join(lines)


def _shuffled(value: JsonValue, rng: random.Random, depth: int = 0) -> JsonValue:
    """Keys in another order, and unknown keys beside them on the upper level; objects inside keep their keys."""
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        shuffled = {key: _shuffled(value[key], rng, depth + 1) for key in keys}
        return {random_text(rng): "added", **shuffled, random_text(rng): {"added": 1}} if depth == 0 else shuffled
    if isinstance(value, list):
        return [_shuffled(item, rng, depth + 1) for item in value]
    return value
