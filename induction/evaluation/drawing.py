"""How pictures look: SVG text whose colours are the page's own, so that one picture serves light and dark pages."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, LINE, WARN = "#1f2933", "#8292a2", "#d9e2ec", "#b3541e"
SERIES = ("#0b6e99", "#c2571a", "#2f7d4f", "#8a4fa3", "#b08900", "#c23b6b", "#4f5fc4", "#5d6d3f")
"""One colour a monitor, told apart in print and by most colour-blind eyes as far as eight can be."""
ACCENT = SERIES[0]

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    WARN: "--warn",
    **{colour: f"--series-{place}" for place, colour in enumerate(SERIES, 1)},
}
DARK = {
    "--ink": "#e4e9ee",
    "--muted": "#8996a5",
    "--line": "#36424e",
    "--warn": "#f0935c",
    **{
        f"--series-{place}": colour
        for place, colour in enumerate(
            ("#4db4de", "#f0935c", "#63bd88", "#c48fdb", "#dcb83f", "#ef7ba3", "#93a1f5", "#a5b982"), 1
        )
    },
}
LIGHT = {variable: colour for colour, variable in _VARIABLES.items()}

# Any: matplotlib types the keys of its settings as a list of 400 literals.
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "forewarn",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": LINE,
    "legend.labelcolor": INK,
}


def draw_svg(draw: Callable[[Axes], None], size: tuple[float, float] = (5.2, 3.6)) -> str:
    """Return what `draw` puts on axes as SVG text, in the colours of a light page; the same drawing, the same bytes."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(linewidth=0.7)
        axes.set_axisbelow(True)
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def to_page_colours(svg: str) -> str:
    """Return a picture for inside a page: its colours are the variables that `to_css` defines."""
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    # A page's own font, whatever it is, rather than the one that measured the text.
    return re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", svg)


def to_css() -> str:
    """Return the colours of pictures and pages as CSS, for light and dark."""
    light, dark = (
        "".join(f"{variable}:{colour};" for variable, colour in part.items())
        for part in (_PAPER[0] | LIGHT, _PAPER[1] | DARK)
    )
    return f":root{{color-scheme:light dark;{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


_PAPER = (
    {"--paper": "#ffffff", "--soft": "#52606d", "--good": "#e3f1e8"},
    {"--paper": "#12181f", "--soft": "#a3b0bd", "--good": "#1d3a2a"},
)
