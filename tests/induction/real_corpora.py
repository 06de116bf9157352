"""The real corpora as tests need them: unpacked, in part, with other keys, or with other values outside the steps."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from induction.adapters.proposer import propose_adapter
from induction.reading import RawRun, open_raw
from monitors.adapter import AdapterSpec, compile_adapter
from monitors.stepview import StepView

RUNS = {
    "tau2-airline": 531,
    "tau-airline": 200,
    "gaia-react": 2052,
    "moatless": 891,
    "webshop": 500,
    "sentinel-organic": 775,
    "who-and-when": 184,
}
NAMES = tuple(RUNS)
RUN_LISTS = {"tau2-airline": "simulations", "tau-airline": None, "gaia-react": None}
"""Where a file holds several runs: under this key, or as the file itself. In the other corpora a file is a run."""

Views = dict[tuple[str, int | None], list[StepView]]


@cache
def induced(raw: Path) -> AdapterSpec:
    """Return the adapter of a corpus; induced once for all tests."""
    return propose_adapter(raw).spec


def unpack(raw: Path, target: Path, change: Callable[[str, str], str | None]) -> Path:
    """Write the files of an archive as `change` makes them of path and text; None leaves a file out."""
    with open_raw(raw) as files:
        for file in files:
            text = change(file.path, file.read().decode())
            if text is not None:
                path = target / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    return target


def parse(path: str, text: str) -> Any:
    """Return the document of a JSON file; the lines of a JSONL file as a list."""
    return [json.loads(line) for line in text.splitlines() if line.strip()] if _has_lines(path) else json.loads(text)


def render(path: str, value: Any) -> str:
    """Return the text of a document as its file has it."""
    return "\n".join(json.dumps(item) for item in value) if _has_lines(path) else json.dumps(value)


def choose_runs(name: str, raw: Path, target: Path, count: int, seed: int) -> Path:
    """Write a random part of a corpus with `count` runs."""
    texts: dict[str, str] = {}
    with open_raw(raw) as files:
        texts = {file.path: file.read().decode() for file in files}
    rng = random.Random(seed)
    if name not in RUN_LISTS:
        chosen = set(rng.sample(sorted(texts), count))
        return unpack(raw, target, lambda path, text: text if path in chosen else None)
    key = RUN_LISTS[name]
    documents = {path: parse(path, text) for path, text in texts.items()}
    places = [(path, loc) for path in sorted(documents) for loc in range(len(_runs(documents[path], key)))]
    picked = set(rng.sample(places, count))

    def keep(path: str, _: str) -> str | None:
        kept = [run for loc, run in enumerate(_runs(documents[path], key)) if (path, loc) in picked]
        value = kept if key is None else {**documents[path], key: kept}
        return render(path, value) if kept else None

    return unpack(raw, target, keep)


def view_all(spec: AdapterSpec, runs: list[RawRun]) -> Views:
    """Return the StepViews of every run, by its place."""
    adapter = compile_adapter(spec)
    return {(run.file, run.loc): [adapter.view(event)[0] for event in run.events] for run in runs}


def view_bytes(spec: AdapterSpec, runs: list[RawRun]) -> bytes:
    """Return all StepViews as one text, to be compared byte for byte."""
    views = view_all(spec, runs)
    return json.dumps(
        [[str(place), [view.to_dict() for view in views[place]]] for place in sorted(views, key=str)], sort_keys=True
    ).encode()


def junk(rng: random.Random) -> str:
    """Return random text."""
    return "".join(rng.choice("abcdefghij ") for _ in range(rng.randint(3, 30)))


def scramble(value: Any, rng: random.Random) -> Any:
    """Return a value of the same build with random text in place of every scalar."""
    if isinstance(value, dict):
        return {key: scramble(item, rng) for key, item in value.items()}
    if isinstance(value, list):
        return [scramble(item, rng) for item in value]
    return junk(rng)


def _runs(document: Any, key: str | None) -> list[Any]:
    runs: list[Any] = document if key is None else document[key]
    return runs


def _has_lines(path: str) -> bool:
    return path.endswith(".jsonl")
