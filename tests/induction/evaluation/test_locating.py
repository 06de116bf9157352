"""Hits against marked steps, beside floors that can be counted by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from forewarn.cli import main
from induction.errors import NoRunsError
from induction.evaluation.locating import (
    MarkedRun,
    floors,
    locate,
    measure_locating,
    random_hits,
    rank_steps,
    read_mistake,
    to_hits,
)
from induction.outcomes import OutcomeRow
from monitors import Monitor
from tests.tiny_bundle import TinyBundle, labelled


def marked(task: str, steps: int, mistake: int) -> MarkedRun:
    return MarkedRun(f"{task}/{mistake}", task, steps, mistake, tuple(range(steps)))


def test_hits_count_the_first_choice_the_first_three_and_its_neighbourhood() -> None:
    assert to_hits([4, 9, 0, 1], 4) == (1, 1, 1)
    assert to_hits([9, 0, 4, 1], 4) == (0, 1, 1)
    assert to_hits([10, 0, 1, 4], 4) == (0, 0, 0)


def test_a_random_order_is_counted_exactly() -> None:
    rng = np.random.default_rng(0)
    run = marked("a", 20, 3)
    drawn = np.mean([to_hits(rng.permutation(20).tolist(), 3) for _ in range(20_000)], axis=0)

    assert random_hits(run) == pytest.approx(tuple(drawn), abs=0.01)
    assert random_hits(run) == (1 / 20, 3 / 20, 9 / 20)


def test_equal_scores_rank_the_earlier_step_first() -> None:
    assert rank_steps(np.array([0.0, 2.0, 1.0, 2.0])) == [1, 3, 2, 0]


def test_the_usual_position_is_learned_from_other_tasks_alone() -> None:
    runs = [marked("a", 9, 7), marked("a", 9, 7), marked("b", 9, 2), marked("c", 9, 2)]
    found = floors(runs)["usual position"]

    assert [hits[0] for hits in found] == [0.0, 0.0, 0.0, 0.0]
    more = floors([*runs, marked("d", 9, 2)])["usual position"]
    assert [hits[0] for hits in more] == [0.0, 0.0, 1.0, 1.0, 1.0]


def test_the_last_and_the_longest_step_are_what_they_are_called() -> None:
    run = MarkedRun("r", "a", 4, 1, (3, 90, 3, 3))

    assert floors([run])["last step"][0][0] == 0.0
    assert floors([run])["longest step"][0][0] == 1.0


def test_a_perfect_method_is_above_random_and_random_is_not() -> None:
    runs = [marked(f"t{place}", 12, place % 12) for place in range(60)]
    found = {one.method: one for one in measure_locating(runs, {"oracle": [(1.0, 1.0, 1.0)] * 60, **floors(runs)})}

    assert found["oracle"].values["hit@1"] == 1.0
    assert found["oracle"].above_random["hit@1"][0] > 0.8
    assert found["random step"].above_random["hit@1"] == (0.0, 0.0)


@pytest.mark.parametrize(
    ("raw_step", "read"), [("4", 4), (7, 7), (None, None), (True, None), ("four", None), (-1, None)]
)
def test_marks_are_whole_numbers_from_0(raw_step: object, read: int | None) -> None:
    assert read_mistake(OutcomeRow("r", "f", None, "t", False, extra={"mistake_step": raw_step})) == read


def test_marked_runs_of_a_corpus_are_located(tiny: TinyBundle, monitor: Monitor, tmp_path: Path) -> None:
    rows = [orjson.loads(line) for line in tiny.corpus.outcomes.read_bytes().splitlines()][:30]
    outcomes = tmp_path / "runs.jsonl"
    outcomes.write_bytes(b"\n".join(orjson.dumps({**row, "mistake_step": "2"}) for row in rows))

    located = locate(monitor, replace(labelled(tiny.corpus), outcomes=outcomes))

    assert [one.method for one in located] == [
        "jump of the score", "what the step says", "random step", "last step", "longest step", "usual position",
    ]  # fmt: skip
    assert located[-1].values["hit@1"] == 1.0
    assert all(one.runs == 30 for one in located)


def test_a_corpus_without_marks_is_refused(tiny: TinyBundle, monitor: Monitor) -> None:
    with pytest.raises(NoRunsError, match="mistake_step"):
        locate(monitor, labelled(tiny.corpus))


def test_one_run_is_explained_by_the_command(tiny: TinyBundle, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["explain", str(tiny.path), str(tiny.corpus.raw), "--run", "task-003.json#1", "--json"])

    effects = orjson.loads(capsys.readouterr().out)
    assert left.value.code == 0
    assert len(effects) == len(tiny.corpus.runs[7])
    assert max(effects, key=lambda one: one["jump"])["fields"]


def test_a_run_that_is_not_there_is_an_error(tiny: TinyBundle, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["explain", str(tiny.path), str(tiny.corpus.raw), "--run", "nobody"])

    assert left.value.code == 1
    assert "has no run 'nobody'" in capsys.readouterr().err
