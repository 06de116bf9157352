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


def test_a_csv_names_runs_by_their_ids(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("\ufeffrun,task,success,model\ns-1,t-1,true,m\ns-2,,No,\n")
    first, second = read_outcomes(table)
    assert (first.run, first.file, first.loc, first.task, first.success) == ("s-1", None, None, "t-1", True)
    assert first.extra == {"model": "m"}
    assert (second.run, second.task, second.success) == ("s-2", "", False)


def test_the_same_csv_serves_a_live_service_which_says_run_id(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text("run_id,success,intervened\ns-1,true,\n")
    assert [row.run for row in read_outcomes(table)] == ["s-1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("session,result\ns-1,mended\n", "columns run and success .* it says session, result"),
        ("run,success\ns-1,mended\n", "line 2: 'success' must be true or false, is 'mended'"),
        ("run,success\ns-1,true\n,true\n", "line 3: 'run' must be a text"),
        ("run,success\ns-1,true\ns-1,false\n", "run 's-1' stands there as a success and as a failure"),
        ("", "it says nothing"),
    ],
)
def test_a_csv_that_cannot_be_used_says_what_is_missing(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(OutcomesError, match=said):
        read_outcomes(tmp_path / "runs.csv")


def test_a_run_without_a_place_is_found_by_its_id_or_by_the_name_of_its_file(tmp_path: Path) -> None:
    table = OutcomeTable(read_outcomes(write(tmp_path / "runs.jsonl", {"run": "s-1", "success": True}, ROW)))
    assert table.run_ids == {"s-1"}
    assert table.find("day.jsonl", 7, "s-1") is table.rows[0]
    assert table.find("logs/s-1.log", None) is table.rows[0]
    assert table.find("logs/s-1.log", 0) is None
    assert table.find("day.jsonl", 7, "s-2") is None
    assert table.find("x/a.json", 0, "s-1") is table.rows[1]
