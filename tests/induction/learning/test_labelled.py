"""Raw runs matched with their outcomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from induction.errors import NoRunsError
from induction.learning.labelled import LabelledCorpus, hash_fold
from induction.outcomes import OutcomesError
from monitors.adapter import parse_spec
from tests.tiny_bundle import RAW_SPEC, TinyCorpus, labelled, tiny_spec, write_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> TinyCorpus:
    return write_corpus(tmp_path, n_runs=12, n_tasks=4, with_folds=True)


def rewrite_outcomes(corpus: TinyCorpus, change: dict[str, object], *, only: int | None = None) -> None:
    rows = [orjson.loads(line) for line in corpus.outcomes.read_bytes().splitlines()]
    rows = [{**row, **change} if only in (None, number) else row for number, row in enumerate(rows)]
    corpus.outcomes.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))


def test_each_run_gets_the_outcome_of_its_file_and_place(corpus: TinyCorpus) -> None:
    runs = list(labelled(corpus).runs())

    assert [run.events for run in runs] == corpus.runs
    assert [run.success for run in runs] == corpus.successes
    assert [run.run for run in runs][:3] == ["run-0", "run-4", "run-8"]
    assert {run.task: run.fold for run in runs} == {f"task-{number}": number for number in range(4)}


def test_runs_without_an_outcome_are_left_out(corpus: TinyCorpus) -> None:
    rewrite_outcomes(corpus, {"loc": 99}, only=2)

    assert [run.run for run in labelled(corpus).runs()][:3] == ["run-0", "run-4", "run-1"]


def test_a_table_written_from_one_folder_higher_still_matches(corpus: TinyCorpus) -> None:
    rows = [orjson.loads(line) for line in corpus.outcomes.read_bytes().splitlines()]
    higher = [{**row, "file": f"raw/{row['file']}"} for row in rows]
    corpus.outcomes.write_bytes(b"\n".join(orjson.dumps(row) for row in higher))

    assert [run.success for run in labelled(corpus).runs()] == corpus.successes


def test_keep_chooses_by_task_and_fold(corpus: TinyCorpus) -> None:
    asked: list[tuple[str, int]] = []

    def keep(task: str, fold: int) -> bool:
        asked.append((task, fold))
        return fold == 1

    assert {run.task for run in labelled(corpus).runs(keep)} == {"task-1"}
    assert set(asked) == {(f"task-{number}", number) for number in range(4)}


def test_a_fold_that_keeps_nothing_is_no_mismatch(corpus: TinyCorpus) -> None:
    assert list(labelled(corpus).runs(lambda _, fold: fold == 4)) == []


def test_an_outcomes_file_of_another_corpus_is_named(corpus: TinyCorpus) -> None:
    rewrite_outcomes(corpus, {"file": "elsewhere.json", "loc": None}, only=0)
    rows = corpus.outcomes.read_bytes().splitlines()
    corpus.outcomes.write_bytes(rows[0])

    with pytest.raises(NoRunsError, match=r"12 runs were read and none of them has the rows of .*runs\.jsonl"):
        list(labelled(corpus).runs())


def test_traces_without_an_outcome_ask_for_an_outcomes_file(corpus: TinyCorpus) -> None:
    with pytest.raises(NoRunsError, match="give --outcomes FILE"):
        list(LabelledCorpus(corpus.raw, tiny_spec(), None).runs())


def test_a_bad_row_is_named_by_its_line(corpus: TinyCorpus) -> None:
    rewrite_outcomes(corpus, {"success": "yes"}, only=1)

    with pytest.raises(OutcomesError, match="line 2"):
        list(labelled(corpus).runs())


def test_an_outcome_in_the_trace_itself_is_used_where_no_file_is_given(tmp_path: Path) -> None:
    records = [{"id": f"r{n}", "task": f"t{n % 2}", "reward": n / 2, "messages": [{"role": "user"}]} for n in range(3)]
    (tmp_path / "runs.json").write_bytes(orjson.dumps([*records, {"id": "r3", "messages": []}]))
    source = {**RAW_SPEC["source"], "outcome": {"path": "/reward", "at_least": 1.0}}
    spec = parse_spec({**RAW_SPEC, "source": source})

    runs = list(LabelledCorpus(tmp_path, spec, None).runs())

    assert [(run.run, run.task, run.success, run.fold) for run in runs] == [
        ("runs.json#0", "t0", False, hash_fold("t0")),
        ("runs.json#1", "t1", False, hash_fold("t1")),
        ("runs.json#2", "t0", True, hash_fold("t0")),
    ]


def test_rows_without_a_fold_get_the_hash_of_their_task(corpus: TinyCorpus) -> None:
    rewrite_outcomes(corpus, {"fold": None})

    assert all(run.fold == hash_fold(run.task) for run in labelled(corpus).runs())


def test_the_hash_of_a_task_is_pinned() -> None:
    assert [hash_fold(task) for task in ("task-0", "task-1", "", "größe", "\ud800")] == [0, 4, 3, 4, 2]


def test_a_runs_group_is_the_named_field_of_its_row(corpus: TinyCorpus) -> None:
    rewrite_outcomes(corpus, {"agent": "amy"})
    rewrite_outcomes(corpus, {"agent": None}, only=0)
    groups = [run.group for run in replace(labelled(corpus), group_by="agent").runs()]

    assert (groups.count("amy"), groups.count("")) == (11, 1)
    assert {run.group for run in labelled(corpus).runs()} == {""}
