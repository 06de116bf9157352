"""What commands share that look into the service's Redis by themselves: the options, and how they print."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from service.app.tenants import Tenants

Result = TypeVar("Result")

RedisUrl = Annotated[str | None, typer.Option(help="The service's Redis (FOREWARN_REDIS_URL).")]
DataDir = Annotated[
    Path | None, typer.Option(help="Data folder of a running service with a Redis of its own (FOREWARN_DATA_DIR).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def with_tenants(work: Callable[[Tenants], Awaitable[Result]], redis_url: str | None, data_dir: Path | None) -> Result:
    """What `work` makes of the service's keys and projects."""
    import asyncio

    from service.app.tenants import open_tenants
    from service.settings import read_settings

    settings = read_settings(redis_url=redis_url, data_dir=data_dir)

    async def run() -> Result:
        async with open_tenants(settings) as tenants:
            return await work(tenants)

    return asyncio.run(run())


def print_json(document: object) -> None:
    """The document, indented."""
    import orjson

    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def print_rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal, tab-separated lines in a pipe."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(row))
        return
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def to_time(at_ms: int | None) -> str:
    """A time for a table, "-" for none."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at_ms else "-"
