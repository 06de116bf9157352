"""One HTML page a benchmark: tables and pictures of every corpus and split. Opens without a network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment

from induction.benchmark.pooling import FLOORS
from induction.benchmark.tables import Table
from induction.evaluation.drawing import to_css, to_page_colours


@dataclass(frozen=True, slots=True)
class Section:
    """One corpus and split."""

    title: str
    about: str
    tables: Sequence[Table]
    plots: Mapping[str, str]
    """SVG text by title."""


def render_page(about: str, sections: Sequence[Section], overview: Mapping[str, str]) -> str:
    """Return the page as HTML text. Everything that came from corpora is escaped."""
    template = resources.files("induction.benchmark").joinpath("page.html.j2").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        colours=to_css(),
        about=about,
        overview=_to_plots(overview),
        sections=[
            {
                "id": f"s{number}",
                "title": section.title,
                "about": section.about,
                "tables": [_to_table(table, folded=place > 0) for place, table in enumerate(section.tables)],
                "plots": _to_plots(section.plots),
            }
            for number, section in enumerate(sections)
        ],
    )


def _to_plots(plots: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(title, to_page_colours(svg)) for title, svg in plots.items()]


def _to_table(table: Table, *, folded: bool) -> dict[str, Any]:
    lines = [{"floor": cells[0] in FLOORS, "cells": [_to_cell(cell) for cell in cells]} for cells in table.lines]
    return {"title": table.title, "header": table.header, "lines": lines, "folded": folded}


def _to_cell(text: str) -> dict[str, Any]:
    """Set the interval of a figure below it."""
    good, text = text.startswith("**"), text.strip("*")
    parts = re.fullmatch(r"([-+–]?[\d.]+)( ± [\d.]+)?( \[.*\])?( \(.*\))?", text)
    if parts is None:
        return {"main": text, "small": "", "good": good}
    small = " ".join(part.strip() for part in parts.groups()[1:] if part)
    return {"main": parts[1], "small": small, "good": good}
