"""Leak checks as corpora: outcomes shuffled over runs, and traces of noise words. What a monitor finds in either was
never in the agent's behaviour.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from induction.benchmark.plan import Corpus
from induction.outcomes import OutcomeRow, read_outcomes
from monitors.adapter import parse_spec, write_spec

SEED = 5
_WORDS = tuple(f"w{number:03d}" for number in range(500))
_SPEC: dict[str, Any] = {
    "name": "noise words",
    "source": {"runs": ["/*"], "events": ["/steps/*"], "run_id": "/id"},
    "event": {
        "cases": [
            {"when": {"/kind": ["act"]}, "acts": True, "fields": {"action": [{"path": "/text"}]}},
            {"when": {"/kind": ["reply"]}, "acts": False, "fields": {"observation": [{"path": "/text"}]}},
        ]
    },
}


def shuffle_outcomes(corpus: Corpus, out: Path) -> Corpus:
    """Return the corpus with the outcomes of its runs in a random order, written under `out`; the true corpus's adapter
    reads it.
    """
    rows = read_outcomes(corpus.outcomes)
    shuffled = [row.success for row in rows]
    random.Random(SEED).shuffle(shuffled)
    folder = out / "controls" / f"{corpus.name}~shuffled"
    _write_rows(folder, [_to_line(row) | {"success": success} for row, success in zip(rows, shuffled, strict=True)])
    return replace(corpus, name=folder.name, outcomes=folder / "runs.jsonl", adapter_of=corpus.name)


def make_noise(corpus: Corpus, out: Path) -> Corpus:
    """Return a corpus of the same runs, outcomes and folds, each as many turns long as the true one, of random words;
    written under `out`, with its adapter.

    A run whose row says no number of turns gets a random one.
    """
    rng = random.Random(SEED)
    folder = out / "controls" / f"{corpus.name}~noise"
    rows = read_outcomes(corpus.outcomes)
    lines, traces = [], []
    for place, row in enumerate(rows):
        steps = []
        for _ in range(rng.randint(3, 12) if row.turns is None else max(row.turns, 1)):
            steps.append({"kind": "act", "text": _say(rng)})
            steps.append({"kind": "reply", "text": _say(rng)})
        traces.append({"id": row.run, "steps": steps})
        lines.append(_to_line(row) | {"file": "raw.json", "loc": place})
    _write_rows(folder, lines)
    (folder / "raw.json").write_bytes(orjson.dumps(traces))
    adapter = out / "adapters" / f"{folder.name}.json"
    adapter.parent.mkdir(parents=True, exist_ok=True)
    write_spec(parse_spec(_SPEC), adapter)
    return Corpus(folder.name, folder / "raw.json", folder / "runs.jsonl")


def _say(rng: random.Random) -> str:
    return " ".join(rng.choices(_WORDS, k=rng.randint(3, 30)))


def _to_line(row: OutcomeRow) -> dict[str, Any]:
    line = {"run": row.run, "file": row.file, "loc": row.loc, "task": row.task, "success": row.success, **row.extra}
    if row.fold is not None:
        line["fold"] = row.fold
    if row.turns is not None:
        line["turns"] = row.turns
    return line


def _write_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs.jsonl").write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
