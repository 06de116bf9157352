"""A small corpus of chat runs, made here, and a bundle trained on it in seconds: for tests of monitors and service."""

from __future__ import annotations

import fcntl
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from induction.learning.building import BundleSettings, build_bundle
from induction.learning.labelled import LabelledCorpus
from induction.learning.progress import NoProgress
from induction.learning.training import TrainingSettings
from monitors.adapter import AdapterSpec, parse_spec
from monitors.stepview import JsonValue

TOOLS = ("find_user", "get_order", "cancel_order", "refund")
WORDS = ("order", "shoes", "blue", "refund", "please", "late", "box", "size", "thanks", "today", "wrong", "item")

RAW_SPEC: dict[str, Any] = {
    "name": "tiny chat",
    "source": {"runs": ["/*"], "events": ["/messages/*"], "run_id": "/id", "task_id": "/task"},
    "event": {
        "cases": [
            {
                "when": {"/role": ["assistant"], "/tool_calls": []},
                "acts": True,
                "fields": {
                    "action": [{"path": "/content"}],
                    "tool": [{"path": "/tool_calls/*/function/name"}],
                    "args": [{"path": "/tool_calls/*/function/arguments", "decode": "json"}],
                },
            },
            {"when": {"/role": ["assistant"]}, "acts": True, "fields": {"action": [{"path": "/content"}]}},
            {
                "when": {"/role": ["tool"]},
                "acts": False,
                "fields": {"result": [{"path": "/content"}], "metadata": [{"path": "/tool_call_id"}]},
            },
            {
                "when": {"/role": ["user", "system"]},
                "acts": False,
                "fields": {"observation": [{"path": "/content"}]},
            },
        ]
    },
    "status": {"error_text": ["error:"], "ok_if_result": True},
}


@dataclass(frozen=True, slots=True)
class TinyCorpus:
    """A corpus on disk."""

    raw: Path
    outcomes: Path
    runs: list[list[JsonValue]]
    """The raw steps of every run, in the order of the files."""
    successes: list[bool]


@dataclass(frozen=True, slots=True)
class TinyBundle:
    """A bundle on disk and what it was made of."""

    path: Path
    corpus: TinyCorpus


Silent = NoProgress
"""Hears how the work goes, and says nothing."""


def tiny_spec() -> AdapterSpec:
    """Return the adapter of the corpus."""
    return parse_spec(RAW_SPEC)


def chat_run(rng: random.Random, *, fails: bool, turns: int | None = None) -> list[JsonValue]:
    """Return the messages of one run. A failing one meets errors more often and tries the same call again."""
    messages: list[JsonValue] = [
        {"role": "system", "content": "You are a clerk."},
        {"role": "user", "content": _sentence(rng, 6)},
    ]
    for turn in range(turns or rng.randint(3, 7)):
        if rng.random() < 0.25:
            messages.append({"role": "assistant", "content": _sentence(rng, 8) + ("?" if fails else ".")})
            messages.append({"role": "user", "content": _sentence(rng, 4)})
            continue
        calls = [_call(rng, turn, place) for place in range(2 if rng.random() < 0.15 else 1)]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        for call in calls:
            error = rng.random() < (0.6 if fails else 0.1)
            content = f"error: no such {rng.choice(WORDS)}" if error else f"found {_sentence(rng, 5)}"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
    return messages


def write_corpus(
    folder: Path, *, n_runs: int = 80, n_tasks: int = 40, seed: int = 0, signal: bool = True, with_folds: bool = False
) -> TinyCorpus:
    """Write a corpus: a JSON file a task in `raw/`, `runs.jsonl` beside it. Without `signal` outcomes are random."""
    rng = random.Random(seed)
    (folder / "raw").mkdir(parents=True)
    rows, kept, successes = [], [], []
    for task in range(n_tasks):
        records = []
        for loc in range(task, n_runs, n_tasks):
            success = rng.random() < 0.55
            looks_failing = not success if signal else rng.random() < 0.45
            messages = chat_run(rng, fails=looks_failing)
            records.append({"id": f"run-{loc}", "task": f"task-{task}", "messages": messages})
            row = {
                "run": f"run-{loc}",
                "file": f"task-{task:03d}.json",
                "loc": len(records) - 1,
                "task": f"task-{task}",
            }
            rows.append({**row, "success": success, **({"fold": task % 5} if with_folds else {})})
            kept.append(messages)
            successes.append(success)
        (folder / "raw" / f"task-{task:03d}.json").write_bytes(orjson.dumps(records))
    (folder / "runs.jsonl").write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    return TinyCorpus(folder / "raw", folder / "runs.jsonl", kept, successes)


def labelled(corpus: TinyCorpus) -> LabelledCorpus:
    """Return the corpus as training reads it."""
    return LabelledCorpus(corpus.raw, tiny_spec(), corpus.outcomes)


def build_tiny_bundle(
    folder: Path, corpus: TinyCorpus, *, epochs: int = 3, alpha: float = 0.25, exclude_fold: int | None = None
) -> TinyBundle:
    """Train a bundle in `folder` and return it."""
    settings = BundleSettings(TrainingSettings(max_epochs=epochs), alpha=alpha, exclude_fold=exclude_fold)
    build_bundle(labelled(corpus), settings, folder, Silent())
    return TinyBundle(folder, corpus)


def shared_tiny_bundle(base: Path) -> TinyBundle:
    """Return the bundle that all test modules share, those of the suite's other processes too; the first to ask builds
    it. `base` is pytest's folder for temporary files."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Each process has a folder in that of the session.
        base = base.parent
    folder = base / "tiny"
    with (base / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "bundle").exists():
            build_tiny_bundle(folder / "bundle", write_corpus(folder))
    return TinyBundle(folder / "bundle", _reread(folder))


def _reread(folder: Path) -> TinyCorpus:
    runs: list[list[JsonValue]] = []
    for path in sorted((folder / "raw").iterdir()):
        runs.extend(record["messages"] for record in orjson.loads(path.read_bytes()))
    rows = [orjson.loads(line) for line in (folder / "runs.jsonl").read_bytes().splitlines()]
    return TinyCorpus(folder / "raw", folder / "runs.jsonl", runs, [row["success"] for row in rows])


def _call(rng: random.Random, turn: int, place: int) -> dict[str, Any]:
    arguments = orjson.dumps({"id": rng.choice(WORDS), "n": rng.randint(1, 3)}).decode()
    return {
        "id": f"call_{turn}_{place}",
        "type": "function",
        "function": {"name": rng.choice(TOOLS), "arguments": arguments},
    }


def _sentence(rng: random.Random, length: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(length))
