"""What `forewarn evaluate` says beside a bundle's own figures."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from forewarn.cli import main
from induction.automaton.auditing import to_json
from induction.automaton.extracting import extract_automaton
from induction.evaluation import ceiling
from induction.evaluation.beside import add_ceiling, find_endings
from induction.evaluation.diagnosing import KINDS
from induction.evaluation.evaluating import Evaluation
from induction.learning.labelled import LabelledCorpus
from monitors import Monitor
from monitors.bundle.folder import add_automaton
from tests.tiny_bundle import TinyBundle, labelled


def test_the_ceiling_is_at_least_what_the_monitor_reaches(
    evaluation: Evaluation, monitor: Monitor, new_tasks: LabelledCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceiling, "TREES", 10)

    found = add_ceiling(evaluation, monitor, new_tasks, None)

    assert found is not None
    assert found.value >= evaluation.figures["auprc_h3_answered"] - 1e-9
    assert evaluation.figures["ceiling_auprc_h3_answered"] == found.value
    assert found.turns == int(evaluation.sample.table.answered.sum())


def test_every_run_has_one_kind_of_ending(monitor: Monitor, new_tasks: LabelledCorpus) -> None:
    endings = find_endings(monitor, new_tasks, None)

    assert len(endings) == 80
    assert set(endings.values()) <= set(KINDS)
    assert len(set(endings.values())) > 1


def test_the_command_writes_first_alerts_and_the_automatons_figures(
    tiny: TinyBundle, monitor: Monitor, new_tasks: LabelledCorpus, tmp_path: Path
) -> None:
    bundle = shutil.copytree(tiny.path, tmp_path / "bundle")
    add_automaton(bundle, to_json(extract_automaton(monitor, labelled(tiny.corpus), minimum_support=8)))
    out = tmp_path / "out"

    with pytest.raises(SystemExit) as left:
        main(["evaluate", str(bundle), str(new_tasks.raw), "--outcomes", str(new_tasks.outcomes), "--out", str(out)])

    assert left.value.code == 0
    figures = orjson.loads((out / "metrics.json").read_bytes())
    assert 0 < figures["automaton_auprc_h3_answered_lo"] < figures["automaton_auprc_h3_answered"] <= 1
    lines = [orjson.loads(line) for line in (out / "first_alerts.jsonl").read_bytes().splitlines()]
    runs = [line for line in lines if "run" in line]
    caught = sum(line["failed"] and bool(line["left"]) for line in runs)
    assert len(runs) == 80
    assert figures["first_alert_caught"] == caught == next(line for line in lines if line.get("by") == "all")["caught"]
