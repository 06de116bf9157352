"""How verbs print: tables on a terminal, lines with tabs in a pipe, JSON for machines; nothing of others may act on a
terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def to_console() -> Console:
    """Where results go. Long lines are left to the terminal, and stay whole in a pipe."""
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False)


def print_json(document: Any) -> None:
    """Print a document, indented."""
    import orjson

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode())


def print_rows(
    names: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    title: str = "",
    label: str = "",
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    ruled: bool = False,
) -> None:
    """A table on a terminal; in a pipe one line a row, with tabs between, which `label` begins where a verb prints
    rows of several kinds.

    `right`: columns that stand at the right; `whole`: columns that are never broken; `ruled`: with lines between rows.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        for row in rows:
            typer.echo("\t".join(to_cell(str(cell)) for cell in ([label, *row] if label else row)))
        return
    if not rows:
        return
    table = Table(title=title or None, title_justify="left", show_lines=ruled)
    if not ruled:
        table.box, table.pad_edge = None, False
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else escape(cell) for cell in row))
    console.print(table)


def to_cell(text: str) -> str:
    """Text of several lines in one, without anything that could act on a terminal or be taken for a tab."""
    return plain(", ".join(line for line in text.split("\n") if line.strip()))


def plain(text: str) -> str:
    """Text of others without characters that could act on a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def to_age(seconds: float) -> str:
    """How long ago something was."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def to_time(at_ms: int | None) -> str:
    """A time for a table, "-" for none."""
    from datetime import UTC, datetime

    if not at_ms:
        return "-"
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
