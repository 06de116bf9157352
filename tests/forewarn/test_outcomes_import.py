"""Outcomes from a file to a service: what is read, what is said, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from forewarn.outcomes_file import OutcomesFileError, read_outcomes
from forewarn.outcomes_import import Imported, import_outcomes
from tests.forewarn.conftest import FakeService


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    rows = written(tmp_path, "o.csv", "run_id,note,success,intervened\na,x,true,\nb,,0,yes\n")
    lines = written(
        tmp_path, "o.jsonl", '{"run_id": "a", "success": true}\n{"run_id": "b", "success": false, "intervened": true}\n'
    )
    expected = [("a", True, None, ""), ("b", False, True, "")]
    for path in (rows, lines):
        assert [(one.run_id, one.success, one.intervened, one.fault) for one in read_outcomes(path)] == expected


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("not json", "no JSON"),
        ("[1]", "no object"),
        ('{"success": true}', "no run_id"),
        ('{"run_id": "a"}', "success is empty"),
        ('{"run_id": "a", "success": "perhaps"}', "success is 'perhaps'"),
        ('{"run_id": "a", "success": true, "intervened": 7}', "intervened is '7'"),
    ],
)
def test_a_line_that_says_nothing_usable_is_named_with_the_reason(tmp_path: Path, line: str, fault: str) -> None:
    path = written(tmp_path, "o.jsonl", f'{{"run_id": "z", "success": true}}\n\n{line}\n')
    good, bad = read_outcomes(path)
    assert (good.fault, bad.line) == ("", 3)
    assert fault in bad.fault


def test_a_csv_without_the_columns_is_refused_whole(tmp_path: Path) -> None:
    with pytest.raises(OutcomesFileError, match="no column success"):
        list(read_outcomes(written(tmp_path, "o.csv", "run_id,ok\na,1\n")))


async def test_every_line_is_said_and_a_second_import_changes_nothing(service: FakeService, tmp_path: Path) -> None:
    service.unknown.add("gone")
    text = "".join(f"r{number},{number % 2}\n" for number in range(40))
    path = written(tmp_path, "o.csv", f"run_id,success\n{text}gone,1\nr0,maybe\n")
    first = await import_outcomes(service.origin, read_outcomes(path))
    assert (first.changed, first.unchanged, first.lines) == (40, 0, 42)
    assert [(one.line, reason) for one, reason in first.refused] == [
        (42, "there is no run gone"),
        (43, "success is 'maybe': true or false is needed"),
    ]
    assert service.outcomes["r3"] is True
    again = await import_outcomes(service.origin, read_outcomes(path))
    assert (again.changed, again.unchanged) == (0, 40)


async def test_of_two_lines_about_a_run_the_later_one_holds(service: FakeService, tmp_path: Path) -> None:
    lines = "".join(f'{{"run_id": "r", "success": {word}}}\n' for word in ("true", "false", "true", "false"))
    seen: list[int] = []

    def note(done: Imported) -> None:
        seen.append(done.lines)

    await import_outcomes(service.origin, read_outcomes(written(tmp_path, "o.jsonl", lines)), note)
    assert service.outcomes["r"] is False
    assert seen == [1, 2, 3, 4]
