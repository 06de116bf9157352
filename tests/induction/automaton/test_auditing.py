"""`forewarn audit`: files, bundle, page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import orjson
import pytest

from forewarn.cli import main
from induction.automaton.auditing import audit, to_json
from induction.automaton.comparing import read_automaton
from induction.automaton.drawing import DrawingError, to_dot
from induction.automaton.page import render_page
from monitors import Monitor
from monitors.automaton_record import Automaton, ExampleTurn, Term
from monitors.bundle import read_manifest, read_monitor_id
from monitors.bundle.folder import add_automaton, add_part, read_part
from monitors.errors import BundleError, BundleTamperedError
from tests.tiny_bundle import TinyBundle, labelled


@pytest.fixture
def copy(folded: TinyBundle, tmp_path: Path) -> Path:
    return shutil.copytree(folded.path, tmp_path / "bundle")


@pytest.mark.needs("graphviz")
def test_an_audit_writes_a_page_with_the_picture_in_it(copy: Path, folded: TinyBundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as left:
        main([
            "audit", str(copy), "--out", str(out), "--data", str(folded.corpus.raw),
            "--outcomes", str(folded.corpus.outcomes), "--minimum-support", "10", "--json",
        ])  # fmt: skip

    assert left.value.code == 0
    assert {path.name for path in out.iterdir()} == {
        "automaton.dot", "automaton.json", "automaton.svg", "index.html",
    }  # fmt: skip
    page = (out / "index.html").read_text()
    assert "<svg" in page
    assert "32 runs of 8 tasks that neither saw" in page
    assert "<script" not in page
    assert not [link for link in re.findall(r"https?:[^\"' ]+", page) if "www.w3.org/" not in link]
    assert (out / "automaton.json").read_bytes() == (copy / "automaton.json").read_bytes()


def test_the_automaton_joins_the_bundle_and_changes_neither_id_nor_scores(copy: Path, automaton: Automaton) -> None:
    before = Monitor.read(copy, device="cpu")
    add_automaton(copy, to_json(automaton))
    after = Monitor.read(copy, device="cpu")

    assert read_monitor_id(copy) == before.monitor_id == after.monitor_id
    assert after.manifest.model_copy(update={"files": {}}) == before.manifest.model_copy(update={"files": {}})
    assert read_automaton(copy, after) == automaton
    assert read_automaton(copy, before) is None


@pytest.mark.needs("graphviz")
def test_the_picture_joins_the_bundle_and_holds_no_text_of_traces(
    copy: Path, automaton: Automaton, tmp_path: Path
) -> None:
    evil = "<script>alert(1)</script>"
    example = ExampleTurn(run=evil, turn=1, success=False, fields={"action": evil})
    states = [state.model_copy(update={"examples": [example]}) for state in automaton.states]
    before = read_monitor_id(copy)
    add_automaton(copy, to_json(automaton.model_copy(update={"states": states})))
    audit(copy, None, tmp_path / "out")

    picture = (copy / "automaton.svg").read_text()
    assert read_monitor_id(copy) == before
    assert read_part(copy, read_manifest(copy), "automaton.svg") == picture.encode()
    assert picture.startswith("<svg")
    assert "script" not in picture
    assert "prefers-color-scheme: dark" in picture


def test_a_new_automaton_leaves_no_picture_of_the_old_one(copy: Path, automaton: Automaton) -> None:
    add_automaton(copy, to_json(automaton))
    add_part(copy, "automaton.svg", b"<svg/>")
    add_automaton(copy, to_json(automaton.model_copy(update={"minimum_support": 3})))

    assert not (copy / "automaton.svg").exists()
    assert Monitor.read(copy, device="cpu").manifest.files.keys() >= {"automaton.json"}
    assert "automaton.svg" not in read_manifest(copy).files


def test_a_part_that_is_not_the_one_of_the_manifest_is_not_shown(copy: Path) -> None:
    add_part(copy, "automaton.svg", b"<svg/>")
    (copy / "automaton.svg").write_bytes(b"<svg>other</svg>")

    assert read_part(copy, read_manifest(copy), "automaton.svg") is None


def test_a_changed_automaton_is_refused(copy: Path, automaton: Automaton) -> None:
    add_automaton(copy, to_json(automaton))
    (copy / "automaton.json").write_bytes(to_json(automaton).replace(b'"base_risk": 0.', b'"base_risk": 0.1'))

    with pytest.raises(BundleTamperedError, match=r"automaton\.json"):
        Monitor.read(copy, device="cpu")


def test_an_automaton_of_another_graph_is_refused(copy: Path, automaton: Automaton) -> None:
    add_automaton(copy, to_json(automaton.model_copy(update={"graph": "0" * 64})))

    with pytest.raises(BundleError, match="another graph: run `forewarn audit` again"):
        read_automaton(copy, Monitor.read(copy, device="cpu"))


@pytest.mark.needs("graphviz")
def test_a_saved_automaton_is_shown_again_without_the_data(copy: Path, automaton: Automaton, tmp_path: Path) -> None:
    add_automaton(copy, to_json(automaton))

    shown, comparison = audit(copy, None, tmp_path / "out")

    assert shown == automaton
    assert comparison is None
    assert "Not measured here" in (tmp_path / "out" / "index.html").read_text()


def test_a_bundle_without_an_automaton_needs_the_data(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="give --data"):
        audit(copy, None, tmp_path / "out")


def test_without_graphviz_everything_but_the_picture_is_written_and_the_next_step_named(
    copy: Path, folded: TinyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(DrawingError, match=r"(?s)not on the PATH.*Install graphviz.*dot -Tsvg"):
        audit(copy, labelled(folded.corpus), tmp_path / "out", minimum_support=10)

    assert {path.name for path in (tmp_path / "out").iterdir()} == {"automaton.dot", "automaton.json", "index.html"}
    assert "Graphviz was not there" in (tmp_path / "out" / "index.html").read_text()
    assert Monitor.read(copy, device="cpu").manifest.files["automaton.json"]


def test_what_comes_from_traces_is_escaped(automaton: Automaton, folded_monitor: Monitor) -> None:
    evil = "<script>alert(1)</script>"
    example = ExampleTurn(run=evil, turn=1, success=False, fields={"action": evil})
    term = Term(text=evil, field="action", lift=2.0, turns=3)
    hostile = automaton.model_copy(
        update={
            "states": [automaton.states[0].model_copy(update={"examples": [example]})],
            "symbols": [one.model_copy(update={"terms": [term], "tools": {evil: 1}}) for one in automaton.symbols],
        }
    )

    page = render_page(hostile, folded_monitor.manifest, None, None)

    assert evil not in page
    assert page.count("&lt;script&gt;") >= 3


def test_the_picture_names_every_state_and_no_text_of_a_trace(automaton: Automaton) -> None:
    dot = to_dot(automaton)

    for number in range(len(automaton.states)):
        assert f"  s{number} [label=" in dot
    assert "order" not in dot


def test_the_file_reads_back_as_it_was_written(automaton: Automaton) -> None:
    assert Automaton.model_validate(orjson.loads(to_json(automaton))) == automaton
