"""An automaton as a picture: DOT text, made an SVG by Graphviz. Nothing that came from traces is in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from induction.errors import InductionError
from monitors.automaton_record import Automaton, StateRecord

TIMEOUT_S = 60
SHADES = ("#e8f1ec", "#f3efd2", "#f9dfae", "#f6bd8b", "#ee9375", "#dd6a62")
"""Of failure rates 0 … 1, light enough for dark text."""
_STYLE = (
    "@media (prefers-color-scheme: dark) { .edge path, .edge polygon { stroke: #a3afc2; } "
    ".edge polygon, .edge text, .node ellipse { fill: #a3afc2; } }"
)
EDGE_SHARE = 0.01
"""Of all training turns: rarer transitions are in automaton.json and not in the picture."""


class DrawingError(InductionError):
    """Graphviz is missing, or gave no picture; the DOT text is written all the same."""


def to_dot(automaton: Automaton) -> str:
    """Return the automaton as DOT text: states by failure rate, edges by how often they are taken."""
    total = sum(count for state in automaton.states for count in state.visits.values())
    lines = [
        "digraph automaton {",
        '  graph [rankdir=LR, bgcolor="transparent", fontname="sans-serif", nodesep=0.35, ranksep=0.7];',
        '  node [shape=box, style="rounded,filled", color="#7b8794", fontname="sans-serif", fontsize=11];',
        '  edge [color="#7b8794", fontcolor="#52606d", fontname="sans-serif", fontsize=10, arrowsize=0.7];',
        '  start [shape=point, width=0.14, color="#7b8794"];',
        f"  start -> s{automaton.start};",
    ]
    for number, state in enumerate(automaton.states):
        shade = choose_shade(state, automaton.minimum_support)
        lines.append(f'  s{number} [label="{_label(number, state, automaton.horizon)}", fillcolor="{shade}"];')
        lines += _edges(number, state, total)
    return "\n".join([*lines, "}", ""])


def draw(dot: Path, svg: Path) -> None:
    """Have Graphviz make a picture of DOT text. Raises DrawingError, which says what to do next."""
    program = shutil.which("dot")
    again = f"dot -Tsvg {dot} -o {svg}"
    if program is None:
        raise DrawingError(
            f"Graphviz's `dot` is not on the PATH, so that {dot} is not drawn; all else is written. "
            f"Install graphviz, then run this again, or: {again}"
        )
    try:
        done = subprocess.run(  # noqa: S603 (the program found above, on a file that was just written)
            [program, "-Tsvg", str(dot), "-o", str(svg)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise DrawingError(f"Graphviz took more than {TIMEOUT_S} s; all else is written. By hand: {again}") from None
    if done.returncode != 0:
        raise DrawingError(f"Graphviz failed: {done.stderr.strip()[:300] or done.returncode}. By hand: {again}")


def read_inline_svg(path: Path) -> str:
    """Return a picture as it may stand in a page: without prolog."""
    text = path.read_text("utf-8")
    return text[text.index("<svg") :]


def to_picture(svg: str) -> bytes:
    """Return a picture as a bundle keeps it: a file of its own whose lines can be read on a dark page as on a light."""
    end = svg.index(">") + 1
    return f"{svg[:end]}\n<style>{_STYLE}</style>{svg[end:]}".encode()


def choose_shade(state: StateRecord, minimum_support: int) -> str:
    """Return a state's colour: white where too few runs ever came to it for its rate to mean much."""
    rate = state.training.failure_rate
    if rate is None or state.training.runs < minimum_support:
        return "#ffffff"
    return SHADES[min(int(rate * len(SHADES)), len(SHADES) - 1)]


def _label(number: int, state: StateRecord, horizon: int) -> str:
    training = state.training
    if training.failure_rate is None:
        return f"s{number}\\nstart" if number == 0 else f"s{number}\\nnever reached"
    return (
        f"s{number}\\n{100 * training.failure_rate:.0f} % fail in the end\\n"
        f"{100 * (training.risk_rate or 0):.0f} % within {horizon} turns\\n{training.runs} runs"
    )


def _edges(number: int, state: StateRecord, total: int) -> Iterator[str]:
    by_target: dict[int, list[int]] = {}
    for symbol, target in sorted(state.transitions.items()):
        by_target.setdefault(target, []).append(symbol)
    for target, symbols in sorted(by_target.items()):
        count = sum(state.visits.get(symbol, 0) for symbol in symbols)
        if count >= EDGE_SHARE * total:
            often = sorted(symbols, key=lambda symbol: -state.visits.get(symbol, 0))
            label = " ".join(f"e{symbol}" for symbol in often[:4]) + (" …" if len(often) > 4 else "")
            width = 0.8 + 3.2 * (count / total) ** 0.5
            yield f'  s{number} -> s{target} [label="{label}", penwidth={width:.2f}];'
