"""The page: whole without a network, and safe whatever stands in the traces."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pytest

from induction.evaluation.evaluating import Evaluation, evaluate
from induction.evaluation.page import render_page
from induction.learning.labelled import LabelledCorpus
from monitors import Monitor
from monitors.bundle import Manifest

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def page(evaluation: Evaluation, monitor: Monitor) -> str:
    return render_page(evaluation, monitor.manifest, "raw.tar.xz")


class Tags(HTMLParser):
    """Collects start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_hostile_text_is_shown_and_never_run(evaluation: Evaluation, monitor: Monitor) -> None:
    manifest = monitor.manifest.model_copy(update={"name": HOSTILE, "created": HOSTILE, "forewarn": HOSTILE})

    page = render_page(evaluation, manifest, HOSTILE)

    tags = Tags(page).found
    assert not {tag for tag, _ in tags} & {"script", "img", "iframe", "object", "link"}
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    tags = Tags(page).found

    links = [
        value for _, attributes in tags for name, value in attributes.items() if name in ("src", "href", "xlink:href")
    ]
    assert all(value is not None and value.startswith("#") for value in links)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_four_pictures_and_every_promised_rate_are_there(page: str) -> None:
    tags = [tag for tag, _ in Tags(page).found]

    assert tags.count("figure") == tags.count("svg") == 4
    for alpha in ("0.05", "0.10", "0.20"):
        assert f"<td>{alpha}</td>" in page


def test_the_figures_shown_are_those_measured(page: str, evaluation: Evaluation) -> None:
    for name in ("auprc_h3_answered", "ece_h3", "auroc_fail_3", "far@0.20", "floor_step_index_auprc_h3"):
        assert f"{evaluation.figures[name]:.3f}" in page


def test_a_figure_that_is_undefined_shows_as_a_dash(evaluation: Evaluation, monitor: Monitor) -> None:
    figures = {name: value for name, value in evaluation.figures.items() if "auroc_fail_5" not in name}

    page = render_page(dataclasses.replace(evaluation, figures=figures), monitor.manifest, "raw")

    assert "auroc_fail_5" not in page
    assert "<b>–</b>" in page


def test_a_monitor_that_never_alerts_has_a_page_too(evaluation: Evaluation, monitor: Monitor) -> None:
    never: Manifest = monitor.manifest.model_copy(update={"threshold": None, "release": None})

    assert Tags(render_page(evaluation, never, "raw")).found


def test_the_same_evaluation_gives_the_same_page(page: str, evaluation: Evaluation, monitor: Monitor) -> None:
    assert render_page(evaluation, monitor.manifest, "raw.tar.xz") == page


@pytest.mark.parametrize("success", [True, False])
def test_runs_of_one_outcome_alone_have_a_page_too(
    monitor: Monitor, new_tasks: LabelledCorpus, tmp_path: Path, success: bool
) -> None:
    assert new_tasks.outcomes is not None
    rows = [orjson.loads(line) for line in new_tasks.outcomes.read_bytes().splitlines()]
    (tmp_path / "runs.jsonl").write_bytes(b"\n".join(orjson.dumps(row) for row in rows if row["success"] is success))
    part = evaluate(monitor, LabelledCorpus(new_tasks.raw, new_tasks.spec, tmp_path / "runs.jsonl"), None)

    page = render_page(part, monitor.manifest, "raw")

    assert part.figures["failures"] == (0 if success else part.figures["runs"])
    assert Tags(page).found


def test_a_rate_finer_than_the_calibration_supports_says_what_it_needs(
    evaluation: Evaluation, monitor: Monitor
) -> None:
    figures = {**evaluation.figures, "far_expected_lo@0.05": 0.0, "far_expected_hi@0.05": 0.0}

    page = render_page(dataclasses.replace(evaluation, figures=figures), monitor.manifest, "raw")

    assert "never alerts: needs 19 successful calibration runs" in page


def test_the_rate_that_the_bundle_promises_is_marked_in_the_table_and_the_picture(
    evaluation: Evaluation, monitor: Monitor
) -> None:
    manifest = monitor.manifest.model_copy(update={"alpha": 0.2})

    page = render_page(evaluation, manifest, "raw")

    assert page.count('class="own"><td>0.20</td>') == 1
    assert "promised: at most 0.2" in page


def test_a_picture_with_nothing_in_it_says_why(evaluation: Evaluation, monitor: Monitor) -> None:
    manifest = monitor.manifest.model_copy(update={"threshold": None})

    page = render_page(evaluation, manifest, "raw")

    assert "No run here was alerted by the threshold that is served." in page
    assert "default-src 'none'" in page
