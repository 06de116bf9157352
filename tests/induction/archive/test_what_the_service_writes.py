"""What the service's archive writes is what the reader reads: the two share a format, and no code."""

from __future__ import annotations

from contextlib import closing
from dataclasses import fields
from pathlib import Path

from induction.archive.gathering import gather_archive
from induction.archive.lines import find_days, parse_run, parse_step, read_raw_runs, read_raw_steps
from induction.archive.selection import Selection
from induction.reading.gathered import RUNS, read_gathered
from service.archive.files import FileArchive
from service.records import Ending, Entry, RunRef

REF = RunRef("shop", "run:1")


def write(folder: Path) -> Ending:
    """Archive a run of two steps, and how it ended."""
    ending = Ending(
        partition=3,
        entry_id="1767225600000-4",
        ref=REF,
        what="outcome",
        created_ms=1_767_225_500_000,
        steps=2,
        ended_ms=1_767_225_600_000,
        success=False,
        intervened=True,
        control=True,
        agent="clerk",
        task="refund",
        tags={"team": "x"},
        monitor_id="m-1",
        moved=(0, 1),
    )
    with closing(FileArchive(folder, "w1")) as archive:
        archive.write([Entry(3, f"{n}-0", REF, n, b'{"n": %d}' % n, 1_767_225_500_000_000) for n in range(2)])
        archive.write_endings([ending])
    return ending


def nobody() -> None:
    raise AssertionError("a segment is damaged")


def test_every_step_reads_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path)
    steps = [parse_step(line) for line in read_raw_steps(find_days(tmp_path), nobody)]
    assert [(one.name, one.position, one.step) for one in steps if one] == [
        (REF.name, 0, {"n": 0}),
        (REF.name, 1, {"n": 1}),
    ]


def test_what_is_said_of_a_run_reads_as_it_was_written(tmp_path: Path) -> None:
    ending = write(tmp_path)
    (run,) = [parse_run(line) for line in read_raw_runs(find_days(tmp_path), nobody)]
    assert run is not None
    assert (run.name, run.entry, run.moved_to) == (REF.name, (1_767_225_600_000, 4), 1)
    same = {field.name for field in fields(run)} & {field.name for field in fields(ending)}
    assert same >= {"created_ms", "steps", "success", "intervened", "control", "agent", "task", "monitor_id"}
    assert {name: getattr(run, name) for name in same} == {name: getattr(ending, name) for name in same}


def test_a_run_is_gathered_from_what_the_service_wrote(tmp_path: Path) -> None:
    write(tmp_path / "archive")
    gather_archive(tmp_path / "archive", Selection(include_intervened=True), tmp_path / "out")
    (run,) = read_gathered(tmp_path / "out" / RUNS)
    assert (run.run_id, run.events) == ("shop:run:1", [{"n": 0}])
