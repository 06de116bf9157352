"""A format whose names nobody knows: what induction tells, and takes, of whoever mends the adapter by hand."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from induction.adapters.inducing import Induction, induce_adapter
from induction.errors import NoRunsError
from induction.learning.labelled import LabelledCorpus
from monitors.adapter import AdapterSpec


def beats(rng: random.Random) -> list[dict[str, object]]:
    """Raw steps with names of their own."""
    found: list[dict[str, object]] = []
    for turn in range(rng.randint(4, 8)):
        said = rng.choice(("I look at it again.", "This should mend it."))
        move = {"said": said, "act": rng.choice(("look", "mend")), "args": {"part": rng.randint(1, 99)}}
        found.append({"at": 1_767_571_200_000 + turn * 900, "who": "agent", "move": move})
        found.append(
            {
                "at": 1_767_571_200_400 + turn * 900,
                "who": "rig",
                "back": {"ok": rng.random() < 0.7, "text": f"{rng.randint(1, 999)} rows"},
            }
        )
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Traces and a CSV of outcomes, which names runs by what the traces call a session."""
    rng, folder = random.Random(3), tmp_path_factory.mktemp("own")
    (folder / "traces").mkdir()
    runs = [{"session": f"s-{number}", "ticket": f"t-{number // 2}", "beats": beats(rng)} for number in range(40)]
    (folder / "traces" / "day.jsonl").write_text("\n".join(map(json.dumps, runs)))
    rows = [f"{run['session']},{'true' if rng.random() < 0.5 else 'false'}" for run in runs]
    (folder / "runs.csv").write_text("\n".join(["run,success", *rows]))
    return folder


@pytest.fixture(scope="module")
def induction(folder: Path) -> Induction:
    return induce_adapter(folder / "traces", folder / "runs.csv")


def test_a_table_that_names_runs_by_id_shows_where_the_id_stands(induction: Induction) -> None:
    assert induction.proposal.spec.source.run_id == "/session"
    assert induction.report.matched == 1.0


def test_what_no_field_reads_is_named_texts_first(induction: Induction) -> None:
    paths = [line.partition(" ")[0] for line in induction.report.unread]
    assert paths[0] == "/move/said"
    assert {"/at", "/back/ok"} <= set(paths)
    assert not {"/who", "/move/act", "/move/args/part"} & set(paths)


def test_ids_that_stand_nowhere_are_told_apart_from_runs_that_are_missing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("run,success\nother-1,true\nother-2,false\n")
    induction = induce_adapter(folder / "traces", tmp_path / "runs.csv")
    assert "found by run id" in induction.report.faults[0]


def test_the_task_of_the_trace_stands_in_where_the_table_has_none(folder: Path, induction: Induction) -> None:
    spec = _with_source(induction.proposal.spec, task_id="/ticket")
    runs = list(LabelledCorpus(folder / "traces", spec, folder / "runs.csv").runs())
    assert [run.task for run in runs[:3]] == ["t-0", "t-0", "t-1"]
    assert runs[0].run == "s-0"


def test_an_adapter_without_a_run_id_is_said_to_lack_it(folder: Path, induction: Induction) -> None:
    spec = _with_source(induction.proposal.spec, run_id=None)
    with pytest.raises(NoRunsError, match=r"set its source\.run_id"):
        list(LabelledCorpus(folder / "traces", spec, folder / "runs.csv").runs())


def _with_source(spec: AdapterSpec, **changes: str | None) -> AdapterSpec:
    return spec.model_copy(update={"source": spec.source.model_copy(update=changes)})
