"""Events nested in one another come apart into one list, in the order in which they ended."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from induction.adapters.proposer import propose_adapter
from induction.reading import read_runs
from induction.reading.trees import Tree, find_tree, flatten_tree, with_flat_trees
from monitors.adapter import parse_spec
from tests.induction.conftest import sentence

CASES = {"cases": [{"when": {}, "acts": True, "fields": {}}]}


def make_span(rng: random.Random, clock: list[int], depth: int = 0) -> dict[str, Any]:
    started = clock[0]
    clock[0] += rng.randint(1, 50)
    children = [make_span(rng, clock, depth + 1) for _ in range(rng.randint(2, 4))] if depth < 2 else []
    clock[0] += rng.randint(1, 50)
    kind = "agent" if depth < 2 else rng.choice(["model", "tool"])
    said = {"input": sentence(rng), "output": sentence(rng)}
    called = {
        "tool.name": rng.choice(["get_order", "find_user"]),
        "tool.arguments": '{"id": 1}',
        "result": sentence(rng),
    }
    return {
        "kind": kind,
        "started": started,
        "ended": clock[0],
        "attributes": called if kind == "tool" else said,
        "within": children,
    }


def names(events: list[Any]) -> list[str]:
    return [event["name"] for event in events]


def test_children_come_before_the_event_that_they_happened_in() -> None:
    tree = [
        {"name": "a", "kids": [{"name": "b", "kids": [{"name": "c"}]}, {"name": "d", "kids": []}]},
        {"name": "e"},
    ]
    flat = flatten_tree(tree, "/kids")
    assert names(flat) == ["c", "b", "d", "a", "e"]
    assert all("kids" not in event for event in flat)  # type: ignore[operator]


def test_a_tree_of_any_depth_comes_apart() -> None:
    value: dict[str, Any] = {"name": "leaf", "kids": []}
    for _ in range(50_000):
        value = {"name": "x", "kids": [value]}
    assert len(flatten_tree([value], "/kids")) == 50_001
    while value["kids"]:  # taken down by hand: the interpreter would nest as deep as the tree
        value = value["kids"].pop()


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, {"kids": 3}, {"kids": {"kids": []}}, [[{"kids": [1, None]}]]])
def test_what_is_no_tree_stays(value: Any) -> None:
    assert with_flat_trees(value, "/kids/deeper") == value


def test_a_tree_is_found_by_its_shape_and_its_order_by_its_times() -> None:
    rng = random.Random(1)
    traces = [{"trace": str(n), "spans": [make_span(rng, [1_000])]} for n in range(10)]
    assert find_tree(traces) == Tree("/within", "/ended")


@pytest.mark.parametrize(
    "value",
    [
        {"messages": [{"role": "a", "calls": [{"name": "f", "args": "{}"}]} for _ in range(9)]},
        {"steps": [{"page": {"tag": "a", "text": "x", "kids": [{"tag": "a", "text": "y", "kids": []}] * 9}}] * 9},
        {"runs": [{"id": n, "steps": [{"id": n, "text": "x"}]} for n in range(9)]},
    ],
)
def test_what_events_merely_hold_is_no_tree_of_events(value: Any) -> None:
    assert find_tree([value]) is None


def test_spans_in_files_of_a_trace_each_become_the_steps_of_one_run(tmp_path: Path) -> None:
    rng = random.Random(1)
    for number in range(20):
        trace = {"trace_id": f"t{number}", "spans": [make_span(rng, [1_000])]}
        (tmp_path / f"{number}.json").write_text(json.dumps(trace))
    spec = propose_adapter(tmp_path).spec
    assert (spec.source.tree, spec.source.order_by) == ("/within", "/ended")
    runs = list(read_runs(tmp_path, spec))
    assert [(run.file, run.loc) for run in runs] == [(f"{number}.json", None) for number in range(20)]
    for run in runs:
        ended = [event["ended"] for event in run.events]  # type: ignore[index, call-overload]
        assert ended == sorted(ended)
        assert len(ended) >= 7


def test_lines_that_are_a_root_each_are_a_run_each(tmp_path: Path) -> None:
    rng = random.Random(1)
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(make_span(rng, [1_000])) for _ in range(20)))
    spec = propose_adapter(tmp_path).spec
    runs = list(read_runs(tmp_path, spec))
    assert [run.loc for run in runs] == list(range(20))
    assert all(len(run.events) >= 7 for run in runs)


def test_a_document_that_is_a_root_is_a_run(tmp_path: Path) -> None:
    rng = random.Random(1)
    for number in range(9):
        (tmp_path / f"{number}.json").write_text(json.dumps(make_span(rng, [1_000])))
    source = {"events": ["/*"], "tree": "/within", "order_by": "/ended"}
    runs = list(read_runs(tmp_path, parse_spec({"name": "x", "source": source, "event": CASES})))
    assert [run.loc for run in runs] == [None] * 9
    assert runs == list(read_runs(tmp_path, propose_adapter(tmp_path).spec))
