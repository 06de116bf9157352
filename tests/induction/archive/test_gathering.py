"""An archive's lines become runs: each with all its steps in order and the last word on how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from induction.archive import gathering
from induction.archive.gathering import gather_archive
from induction.archive.selection import (
    CONTRADICTORY,
    GOING_ON,
    INCOMPLETE,
    INTERVENED,
    NO_OUTCOME,
    NO_STEPS,
    OTHERS,
    Selection,
    Tally,
)
from induction.errors import NoRunsError, UnreadableRawError
from induction.learning.labelled import LabelledCorpus, LabelledRun
from induction.outcomes import read_outcomes
from induction.reading.gathered import OUTCOMES, RUNS
from tests.tiny_bundle import tiny_spec
from tests.written_archive import WrittenArchive

Found = dict[str, LabelledRun]


def gather(archive: WrittenArchive, selection: Selection | None = None) -> tuple[Found, Tally]:
    """Gather beside the archive; the runs by their id, as training reads them."""
    folder = archive.folder.parent / "gathered"
    tally = gather_archive(archive.folder, selection or Selection(), folder)
    corpus = LabelledCorpus(folder / RUNS, tiny_spec(), folder / OUTCOMES, gathered=True)
    return {run.run.partition(":")[2]: run for run in corpus.runs()}, tally


def left_out(archive: WrittenArchive, selection: Selection | None = None) -> dict[str, int]:
    """Why runs were left out, beside one that was taken."""
    archive.steps("good", {"n": 0})
    archive.said("good", 1, success=True)
    found, tally = gather(archive, selection)
    assert list(found) == ["good"]
    return dict(tally.left_out)


def test_steps_from_many_segments_are_put_together_in_order(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 2}, first=2, day="2026-01-03")
    archive.steps("b", "text")
    archive.steps("a", {"n": 0}, {"n": 1})
    archive.said("a", 3, success=False)
    archive.said("b", 1, success=True)
    found, tally = gather(archive)
    assert found["a"].events == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert found["b"].events == ["text"]
    assert (found["a"].success, found["b"].success) == (False, True)
    assert (tally.taken, tally.failures, tally.steps, dict(tally.left_out)) == (2, 1, 4, {})


def test_a_step_archived_twice_counts_once(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 0}, {"n": 1})
    archive.steps("a", {"n": 1}, first=1)
    archive.said("a", 2, success=True)
    found, _ = gather(archive)
    assert found["a"].events == [{"n": 0}, {"n": 1}]


def test_the_last_word_on_a_run_holds_in_whatever_order_it_is_read(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 0})
    archive.said("a", 1, entry="10-0", success=False)
    archive.said("a", 1, entry="9-7", success=True)
    archive.said("a", 1, entry="9-10", success=True)
    found, _ = gather(archive)
    assert not found["a"].success


def test_a_parked_step_that_was_put_back_stands_where_it_was_sent(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 0}, {"n": 1}, {"n": 2}, {"n": 1})
    archive.said("a", 3, success=True)
    archive.said("a", 4, entry="6-0", success=True, what="released", **{"from": 1, "to": 3})
    archive.said("a", 4, entry="7-0", success=False)
    found, _ = gather(archive)
    assert found["a"].events == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert not found["a"].success


def test_a_run_is_of_the_task_that_was_described_and_else_of_its_own(archive: WrittenArchive) -> None:
    for name, task in (("a", "refund"), ("b", "")):
        archive.steps(name, {"n": 0})
        archive.said(name, 1, success=True, task=task)
    found, tally = gather(archive)
    assert (found["a"].task, found["b"].task) == ("refund", "default:b")
    assert (tally.without_task, tally.tasks) == (1, {"refund", "default:b"})


def test_runs_may_be_split_one_by_one_where_tasks_come_again(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 0})
    archive.said("a", 1, success=True, task="refund")
    found, _ = gather(archive, Selection(split_by="run"))
    assert found["a"].task == "default:a"


def test_rows_say_who_made_a_run_and_which_monitor_scored_it(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 0})
    archive.said("a", 1, success=True, agent="clerk")
    gather(archive)
    (row,) = read_outcomes(archive.folder.parent / "gathered" / OUTCOMES)
    assert row.extra == {"agent": "clerk", "monitor": "m-1"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"success": None}, NO_OUTCOME),
        ({"success": True, "intervened": True}, INTERVENED),
        ({"success": True, "created_ms": 5}, OTHERS),
        ({"success": True, "agent": "other"}, OTHERS),
    ],
)
def test_runs_that_are_not_wanted_are_left_out_and_counted(
    archive: WrittenArchive, said: dict[str, Any], why: str
) -> None:
    archive.steps("bad", {"n": 0})
    archive.said("bad", 1, **said)
    assert left_out(archive, Selection(since_ms=1000, agents=("",))) == {why: 1}


def test_a_run_with_a_gap_is_left_out(archive: WrittenArchive) -> None:
    archive.steps("bad", {"n": 0})
    archive.steps("bad", {"n": 2}, first=2)
    archive.said("bad", 3, success=True)
    assert left_out(archive) == {INCOMPLETE: 1}


def test_a_run_whose_last_step_is_missing_is_left_out(archive: WrittenArchive) -> None:
    archive.steps("bad", {"n": 0})
    archive.said("bad", 2, success=True)
    assert left_out(archive) == {INCOMPLETE: 1}


def test_a_run_without_steps_is_left_out(archive: WrittenArchive) -> None:
    archive.said("bad", 2, success=True)
    assert left_out(archive) == {NO_STEPS: 1}


def test_a_run_whose_id_came_again_with_other_steps_is_left_out(archive: WrittenArchive) -> None:
    archive.steps("bad", {"n": 0})
    archive.steps("bad", {"n": 7})
    archive.said("bad", 1, success=True)
    assert left_out(archive) == {CONTRADICTORY: 1}


def test_a_run_that_goes_on_is_counted(archive: WrittenArchive) -> None:
    archive.steps("bad", {"n": 0}, {"n": 1})
    assert left_out(archive) == {GOING_ON: 1}


def test_intervened_runs_are_taken_where_asked_for(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 0})
    archive.said("a", 1, success=True, intervened=True)
    found, tally = gather(archive, Selection(include_intervened=True))
    assert (list(found), tally.intervened) == (["a"], 1)


def test_runs_of_several_projects_are_not_mixed_unless_named(archive: WrittenArchive) -> None:
    for project in ("one", "two"):
        archive.steps("a", {"n": 0}, project=project)
        archive.said("a", 1, success=True, project=project)
    with pytest.raises(NoRunsError, match="name --project, of one, two"):
        gather(archive)
    _, tally = gather(archive, Selection(projects=("two",)))
    assert (tally.taken, dict(tally.left_out)) == (1, {OTHERS: 1})


def test_nothing_of_another_project_is_in_what_one_projects_runs_are_gathered_into(archive: WrittenArchive) -> None:
    # The same names of runs and tasks in both, in the same segments: only the project tells them apart.
    for run in ("a", "b"):
        for project in ("one", "two"):
            for position in range(3):
                archive.steps(run, {"n": position, "text": f"of {project} alone"}, first=position, project=project)
            archive.said(run, 3, success=project == "one", project=project)
    found, tally = gather(archive, Selection(projects=("one",)))
    assert (sorted(found), tally.taken, tally.failures) == (["a", "b"], 2, 0)
    for run in found.values():
        assert run.events == [{"n": position, "text": "of one alone"} for position in range(3)]
    folder = archive.folder.parent / "gathered"
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert any(b"of one alone" in content for content in written)
    assert not any(b"of two alone" in content or b"two:" in content for content in written)


def test_times_bound_when_a_run_began(archive: WrittenArchive) -> None:
    for begun in (999, 1000, 1999, 2000):
        archive.steps(f"at {begun}", {"n": 0})
        archive.said(f"at {begun}", 1, success=True, created_ms=begun)
    found, tally = gather(archive, Selection(since_ms=1000, until_ms=2000))
    assert sorted(found) == ["at 1000", "at 1999"]
    assert dict(tally.left_out) == {OTHERS: 2}


def test_lines_that_are_none_are_counted_and_hide_nothing(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 0})
    archive.said("a", 1, success=True)
    archive.raw(b'nonsense\n[1]\n{"project": "default"}\n{"project":"default","run_id":"a","position":-1,"step":0}\n')
    found, tally = gather(archive)
    assert (list(found), tally.unread_lines) == (["a"], 4)


def test_a_segment_that_breaks_off_is_counted_and_hides_nothing(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 0})
    archive.said("a", 1, success=True)
    archive.steps("b", *({"n": n, "text": str(n) * 50} for n in range(3000)))
    broken = max((archive.folder / "2026-01-02").glob("*.zst"))
    broken.write_bytes(broken.read_bytes()[:-20])
    found, tally = gather(archive)
    assert (list(found), tally.damaged_segments) == (["a"], 1)


def test_an_archive_is_gathered_the_same_whatever_buckets_it_takes(
    archive: WrittenArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        archive.steps(f"run {number}", *({"n": n} for n in range(number % 4 + 1)))
        archive.said(f"run {number}", number % 4 + 1, success=number % 3 > 0)
    gather(archive)
    folder = archive.folder.parent / "gathered"
    one = [(folder / name).read_bytes() for name in (RUNS, OUTCOMES)]
    monkeypatch.setattr(gathering, "BUCKET_BYTES", 100)
    gather(archive)
    assert [(folder / name).read_bytes() for name in (RUNS, OUTCOMES)] == one
    assert sorted(path.name for path in folder.iterdir()) == sorted([RUNS, OUTCOMES])


def test_a_folder_that_is_no_archive_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRawError, match="FOREWARN_ARCHIVE_DIR"):
        gather_archive(tmp_path, Selection(), tmp_path / "out")


def test_where_no_run_is_left_the_error_says_why(archive: WrittenArchive) -> None:
    archive.steps("a", {"n": 0})
    archive.said("a", 1)
    with pytest.raises(NoRunsError, match="1 have no outcome"):
        gather(archive)


def test_hostile_names_and_steps_stay_what_they_are(archive: WrittenArchive) -> None:
    name, step = 'a"}\n{"run_id": "b', {"text": '"}\n', "deep": [[[{"x": None}]]]}
    archive.steps(name, step)
    archive.said(name, 1, success=True, task="../../etc")
    found, _ = gather(archive)
    assert found[name].events == [step]
    assert orjson.loads(orjson.dumps(found[name].task)) == "../../etc"
