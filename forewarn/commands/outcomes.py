"""`forewarn outcomes`: how runs ended, said to a live service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forewarn.commands.asking import URL, ApiKey, Url
from forewarn.commands.printing import AsJson, print_json

if TYPE_CHECKING:
    from forewarn.outcomes_import import Imported

outcomes = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

SHOWN_REFUSALS = 20


@outcomes.callback()
def about() -> None:
    """Say to a live service how runs ended."""


@outcomes.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="CSV with a header, or JSON lines: run_id, success, intervened (may be left out).")
    ],
    url: Url = URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Say how runs ended, a line each. Late outcomes and corrections are fine, and importing a file again changes
    nothing. Exit status 1 if any line was refused: each is named with the reason, and the others count."""
    import asyncio

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from forewarn.outcomes_file import read_outcomes
    from forewarn.outcomes_import import import_outcomes
    from forewarn.replay.connection import Origin

    status = Console(stderr=True, quiet=as_json)
    origin = Origin.from_url(url, api_key)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} outcomes"), TimeElapsedColumn())
    with Progress(*columns, console=status, transient=True, disable=not status.is_terminal) as progress:
        bar = progress.add_task("outcomes", total=None)
        done = asyncio.run(
            import_outcomes(origin, read_outcomes(file), lambda so_far: progress.update(bar, completed=so_far.lines))
        )
    _print(done, as_json=as_json)
    if done.refused:
        raise typer.Exit(1)


def _print(done: Imported, *, as_json: bool) -> None:
    refused: list[dict[str, Any]] = [
        {"line": outcome.line, "run_id": outcome.run_id, "reason": reason} for outcome, reason in done.refused
    ]
    if as_json:
        summary = {"lines": done.lines, "changed": done.changed, "unchanged": done.unchanged, "refused": refused}
        print_json(summary)
        return
    for one in refused[:SHOWN_REFUSALS]:
        # What a file says is somebody else's text: it must not move a terminal's cursor.
        typer.echo(f"line {one['line']}: {ascii(one['run_id'])[1:-1]}: {_printable(one['reason'])}", err=True)
    if len(refused) > SHOWN_REFUSALS:
        typer.echo(f"… and {len(refused) - SHOWN_REFUSALS:,} more (--json lists all)", err=True)
    typer.echo(f"{done.changed:,} said, {done.unchanged:,} known before, {len(refused):,} refused")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
