from __future__ import annotations

import json
from pathlib import Path

import pytest

from induction.outcomes import OutcomesError, OutcomeTable, read_outcomes

ROW = {"run": "a#0", "file": "x/a.json", "loc": 0, "task": "t", "success": True, "fold": 2, "turns": 5, "model": "m"}


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_known_fields_are_typed_and_the_others_kept(tmp_path: Path) -> None:
    (row,) = read_outcomes(write(tmp_path / "runs.jsonl", ROW))
    assert (row.run, row.file, row.loc, row.success, row.fold, row.turns) == ("a#0", "x/a.json", 0, True, 2, 5)
    assert row.extra == {"model": "m"}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "line 2: is no JSON"),
        ([1], "line 2: must be an object"),
        ({**ROW, "success": "yes"}, "line 2: 'success' must be true or false"),
        ({**ROW, "loc": True}, "line 2: 'loc' must be a whole number or null"),
        ({**ROW, "run": "other"}, "stand at the same place"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, bad: object, said: str) -> None:
    with pytest.raises(OutcomesError, match=said):
        read_outcomes(write(tmp_path / "runs.jsonl", ROW, bad))


def test_a_missing_or_empty_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutcomesError, match="cannot be read"):
        read_outcomes(tmp_path / "none.jsonl")
    with pytest.raises(OutcomesError, match="holds no outcomes"):
        read_outcomes(write(tmp_path / "runs.jsonl", ""))


def test_a_run_is_found_by_its_place_even_if_raw_was_given_a_folder_deeper(tmp_path: Path) -> None:
    table = OutcomeTable(read_outcomes(write(tmp_path / "runs.jsonl", ROW)))
    assert table.find("x/a.json", 0) is not None
    assert table.find("a.json", 0) is not None
    assert table.find("x/a.json", 1) is None
    assert table.find("b.json", 0) is None


def test_a_file_with_one_run_may_be_written_with_or_without_a_number(tmp_path: Path) -> None:
    table = OutcomeTable(read_outcomes(write(tmp_path / "runs.jsonl", ROW)))
    assert table.find("x/a.json", None) is table.rows[0]
