"""What a benchmark leaves for people."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from induction.benchmark.ledger import append_to_ledger
from induction.benchmark.plan import Contender, Plan
from induction.benchmark.report import write_report
from induction.benchmark.running import run_benchmark
from induction.benchmark.tables import difference_table
from tests.induction.benchmark_fits import Fits, silent


@pytest.fixture
def whole(plan: Plan) -> Plan:
    """Two contenders, two seeds, both splits, a learning curve."""
    contenders = (Contender("default", "gru"), Contender("raw-text", "gru"))
    return replace(plan, contenders=contenders, seeds=(13, 42), splits=("new", "known"), shares=(0.25, 0.5, 1.0))


class Tags(HTMLParser):
    """Collects start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_holds_every_picture_and_fetches_nothing(tmp_path: Path, whole: Plan, fits: Fits) -> None:
    out = tmp_path / "out"
    write_report(whole, run_benchmark(whole, out, silent), out)
    page = (out / "index.html").read_text("utf-8")
    tags = Tags(page).found

    # Six of each split, and new beside known tasks twice.
    assert [tag for tag, _ in tags].count("svg") == 2 * 6 + 2
    assert len(list((out / "plots").glob("*.svg"))) == 2 * 6 + 2
    links = [
        value for _, attributes in tags for name, value in attributes.items() if name in ("src", "href", "xlink:href")
    ]
    assert all(value is not None and value.startswith("#") for value in links)
    assert not {tag for tag, _ in tags} & {"script", "img", "iframe", "object", "link"}
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_pictures_take_the_colours_of_a_light_or_dark_page(tmp_path: Path, plan: Plan, fits: Fits) -> None:
    out = tmp_path / "out"
    write_report(plan, run_benchmark(plan, out, silent), out)
    page = (out / "index.html").read_text("utf-8")
    body = page[page.index("<body>") :]

    assert "prefers-color-scheme:dark" in page
    assert "var(--series-1)" in body
    assert "#0b6e99" not in body


def test_tables_show_mean_and_spread_over_seeds_and_how_many_folds_counted(
    tmp_path: Path, whole: Plan, fits: Fits
) -> None:
    out = tmp_path / "out"
    lines = write_report(whole, run_benchmark(whole, out, silent), out)
    text = "\n".join(lines)

    assert (out / "table.md").read_text("utf-8").strip() == text.strip()
    assert "tiny, tasks never seen (60 runs of 60 tasks, 360 turns, 50 % fail)" in text
    assert "1.000 (5 folds)" in text
    assert "default − raw-text" in text


def test_a_difference_whose_interval_lies_above_zero_stands_out() -> None:
    row = {"preset": "best", "minus": "paper", "metric": "auroc_fail_5", "seed": 13, "value": 0.1, "hi": 0.2}
    clear, unclear = (difference_table("", [{**row, "lo": low}]).lines[0][2] for low in (0.01, -0.01))

    assert (clear, unclear) == ("**+0.100 [+0.010, +0.200]**", "+0.100 [-0.010, +0.200]")


def test_the_ledger_gets_a_line_a_monitor_and_split_and_keeps_what_it_has(
    tmp_path: Path, whole: Plan, fits: Fits
) -> None:
    results = run_benchmark(whole, tmp_path / "out", silent)
    for _ in range(2):
        append_to_ledger(tmp_path / "ledger.md", whole, results)
    lines = (tmp_path / "ledger.md").read_text("utf-8").splitlines()

    assert lines[0].startswith("| date | commit | corpus | split | monitor | seeds | auprc_h3_answered")
    assert len(lines) == 2 + 2 * 4
    assert "| tiny | known | raw-text (gru) | 13 42 |" in lines[-1]
