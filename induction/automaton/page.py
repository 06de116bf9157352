"""One HTML page an audit: the picture, states with what they are worth, symbols with what they stand for.

Opens without a network and runs no script. Everything that came from traces is escaped.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment

from induction.automaton.comparing import Comparison
from induction.automaton.drawing import SHADES, choose_shade
from monitors.adapter.bounded import bound_text
from monitors.automaton_record import Automaton
from monitors.bundle import Manifest

ROWS = (
    ("auprc_h3_answered", "Average precision of the risk within h turns, answered turns"),
    ("auprc_h3", "… all turns"),
    ("ece_h3", "Calibration error of the same (0 is best)"),
    ("auroc_fail_3", "Failing against succeeding runs, told apart after turn 3 (area under ROC)"),
    ("auroc_fail_5", "… after turn 5"),
    ("auroc_fail_10", "… after turn 10"),
    ("far@0.10", "Successes alerted, promised at most 0.10"),
    ("recall@0.10", "Failures alerted before their last turn"),
    ("left@0.10", "Share of the run left at those alerts"),
)


def render_page(automaton: Automaton, manifest: Manifest, comparison: Comparison | None, picture: str | None) -> str:
    """Return the page as HTML text; `picture` is an SVG of ours or None."""
    template = resources.files("induction.automaton").joinpath("page.html.j2").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = _figure
    environment.filters["percent"] = _percent
    environment.filters["shade"] = choose_shade
    text = environment.from_string(template).render(
        manifest=manifest,
        automaton=automaton,
        picture=picture,
        states=sorted(enumerate(automaton.states), key=lambda item: (-(item[1].training.failure_rate or 0.0), item[0])),
        symbols=[item for item in enumerate(automaton.symbols) if item[1].support.turns],
        unused=[number for number, symbol in enumerate(automaton.symbols) if not symbol.support.turns],
        comparison=comparison,
        rows=[] if comparison is None else [row for name, label in ROWS if (row := _row(comparison, name, label))],
        shades=SHADES,
    )
    return bound_text(text, len(text))


def _row(comparison: Comparison, name: str, label: str) -> dict[str, Any] | None:
    if name not in comparison.network and name not in comparison.automaton:
        return None
    both = (comparison.network, comparison.automaton)
    cells = [{"value": one.get(name), "lo": one.get(f"{name}_lo"), "hi": one.get(f"{name}_hi")} for one in both]
    return {"name": name, "label": label, "cells": cells}


def _figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
