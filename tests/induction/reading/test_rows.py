from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from induction.adapters.proposer import propose_adapter
from induction.reading import read_runs
from induction.reading.rows import with_named_columns
from monitors.adapter.pointers import compile_pointer
from tests.induction.conftest import sentence

ROWS: list[Any] = [[0.5, "o", "a"], [1.0, "i", "b"], [1.5, "o", "c"]]


def test_rows_become_objects_by_whose_pointers_the_rows_are_read() -> None:
    named = with_named_columns({"v": 2, "out": ROWS})
    assert isinstance(named, dict)
    read = compile_pointer("/out/*/2", 9)
    assert read(named) == read({"out": ROWS}) == ["a", "b", "c"]


def test_a_line_that_heads_the_rows_stays() -> None:
    header = {"version": 2}
    assert with_named_columns([header, *ROWS, *ROWS])[0] == header  # type: ignore[index]


@pytest.mark.parametrize(
    "value", [[["a", "b"]] * 9, [[1, 2]] * 9, [[1, ["a"], "b"]] * 9, ROWS[:2], [1, "a"], "x", None]
)
def test_other_lists_stay(value: Any) -> None:
    assert with_named_columns(value) == value


def test_a_recording_of_rows_is_one_run_a_file(tmp_path: Path) -> None:
    rng = random.Random(1)
    for number in range(12):
        rows = [[t / 2, "o" if t % 2 else "i", f"$ {sentence(rng)}\r\n"] for t in range(rng.randint(8, 20))]
        (tmp_path / f"{number}.cast").write_text("\n".join(map(json.dumps, [{"version": 2, "width": 80}, *rows])))
    runs = list(read_runs(tmp_path, propose_adapter(tmp_path).spec))
    assert [(run.file, run.loc) for run in runs] == [(f"{number}.cast", None) for number in range(12)]
    assert all(isinstance(event, dict | list) for run in runs for event in run.events)
